import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesSelectors, sortDatagram } from '../index.ts';

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

test('port 4500 carries IKE behind a marker, keepalives of one byte and ESP', () => {
  const kinds = {
    ff: { kind: 'keepalive' },
    '00000000 0102030405060708': { kind: 'ike' },
    '00000100 00000001 aa': { kind: 'esp', spi: 256 },
    'ffffffff 00000001 aa': { kind: 'esp', spi: 0xffff_ffff },
    '000000ff 00000001 aa': { kind: 'malformed' },
    '00000001 00000001 aa': { kind: 'malformed' },
    ffff: { kind: 'malformed' },
    fe: { kind: 'malformed' },
    '': { kind: 'malformed' },
    '00000000': { kind: 'malformed' },
    '00000100 00000001': { kind: 'malformed' },
  };
  for (const [hex, expected] of Object.entries(kinds)) assert.deepEqual(sortDatagram(bytes(hex)), expected, hex);
});

test('what comes out of an association has the ports that were agreed, and a whole UDP header', () => {
  const selector = (port: number) => ({ network: '192.0.2.1/32', protocol: 17, port });
  const l2tp = { local: selector(1701), remote: selector(1701) };
  const anyPort = { local: selector(1701), remote: selector(0) };
  const right = bytes('06a5 06a5 000a 0000 c802');
  assert.equal(matchesSelectors(l2tp, right), true);
  assert.equal(matchesSelectors(l2tp, bytes('c000 06a5 000a 0000 c802')), false);
  assert.equal(matchesSelectors(anyPort, bytes('c000 06a5 000a 0000 c802')), true);
  assert.equal(matchesSelectors(anyPort, bytes('06a5 0035 000a 0000 c802')), false);
  assert.equal(matchesSelectors(l2tp, bytes('06a5 06a5 000b 0000 c802')), false, 'its length is another');
  assert.equal(matchesSelectors(l2tp, right.subarray(0, 7)), false);
});
