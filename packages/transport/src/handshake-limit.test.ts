import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandshakeLimit } from './handshake-limit.ts';

test('one source has half of the places, and others still get in', () => {
  const limit = new HandshakeLimit(4);
  assert.ok(limit.take('192.0.2.1') && limit.take('192.0.2.1'));
  assert.equal(limit.take('192.0.2.1'), undefined);
  assert.ok(limit.take('192.0.2.2') && limit.take('192.0.2.3'));
  assert.equal(limit.take('192.0.2.4'), undefined, 'all places are taken');
  assert.equal(limit.count, 4);
});

test('the addresses of one IPv6 /64 are one source', () => {
  const limit = new HandshakeLimit(4);
  assert.ok(limit.take('2001:db8::1') && limit.take('2001:db8::ffff:1'));
  assert.equal(limit.take('2001:db8::2'), undefined);
  assert.ok(limit.take('2001:db8:0:1::1'));
  assert.ok(limit.take('fe80::1%3'));
});

test('a place is given back once', () => {
  const limit = new HandshakeLimit(2);
  const giveBack = limit.take('192.0.2.1');
  assert.equal(limit.take('192.0.2.1'), undefined);
  giveBack?.();
  giveBack?.();
  assert.equal(limit.count, 0);
  assert.ok(limit.take('192.0.2.1'));
});
