import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkName, parseSubjectAltName } from './names.ts';

test('names of people and machines are taken, in one form of Unicode', () => {
  for (const name of [
    'alice',
    'Jörg Müller',
    'vpn.example.com',
    'alice@example.com',
    "O'Brien, Ann #2",
    '李雷',
    'x'.repeat(64),
  ]) {
    assert.equal(checkName(name), name);
  }
  assert.equal(checkName('Jo\u0308rg'), 'Jörg');
});

test('names that could forge lines, paths, options or serial numbers are refused', () => {
  const bad = [
    '',
    ' ',
    'a\nb',
    'a\0',
    'a/b',
    'a\\b',
    '../x',
    '.hidden',
    '-rf',
    ' a',
    'a ',
    'x'.repeat(65),
    'é'.repeat(33),
    'a\u202eb',
    'a\u2028b',
    'a\u200bb',
    'ab'.repeat(16),
  ];
  for (const name of bad) assert.throws(() => checkName(name), { code: 'CULVERT_PKI_NAME' }, JSON.stringify(name));
});

test('subject alternative names are DNS names or IP addresses, said or seen', () => {
  assert.deepEqual(parseSubjectAltName('VPN.example.com'), { type: 'dns', value: 'vpn.example.com' });
  assert.deepEqual(parseSubjectAltName('dns:*.example.com'), { type: 'dns', value: '*.example.com' });
  assert.deepEqual(parseSubjectAltName('192.0.2.1'), { type: 'ip', value: '192.0.2.1' });
  assert.deepEqual(parseSubjectAltName('ip:2001:db8::1'), { type: 'ip', value: '2001:db8::1' });
  for (const bad of ['', 'a b', 'ip:vpn.example.com', 'a..b', '-a', 'dns:', 'a,IP:1.2.3.4', 'x'.repeat(64)]) {
    assert.throws(() => parseSubjectAltName(bad), { code: 'CULVERT_PKI_NAME' }, bad);
  }
});
