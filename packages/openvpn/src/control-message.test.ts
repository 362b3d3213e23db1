import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeControlMessages } from './control-message.ts';
import { encodeText } from './text.ts';

const decode = (text: string) => decodeControlMessages(encodeText(text));

test('several commands of one record are told apart, line ends and empty ones are dropped', () => {
  assert.deepEqual(decode('PUSH_REQUEST\0\0RESTART,[N]back soon\r\n\0EXIT\0'), [
    { kind: 'push-request' },
    { kind: 'restart', reason: 'back soon' },
    { kind: 'exit' },
  ]);
});

test('every form of AUTH_FAILED gives its reason', () => {
  const failed = (text: string) => decode(`${text}\0`)[0];
  const plain = { kind: 'auth-failed', temporary: false, sessionExpired: false };
  assert.deepEqual(failed('AUTH_FAILED'), { ...plain, reason: '' });
  assert.deepEqual(failed('AUTH_FAILED,wrong password'), { ...plain, reason: 'wrong password' });
  assert.deepEqual(failed('AUTH_FAILED,SESSION:expired'), { ...plain, reason: 'expired', sessionExpired: true });
  assert.deepEqual(failed('AUTH_FAILED,TEMP[backoff 42,advance no]:busy'), {
    ...plain,
    reason: 'busy',
    temporary: true,
  });
  assert.deepEqual(failed('AUTH_FAILED,CRV1:R,E:id:dXNlcg==:enter your code'), {
    ...plain,
    reason: 'the server asks: enter your code',
  });
});

test('a pending login tells its timeout where it has one', () => {
  assert.deepEqual(decode('AUTH_PENDING,timeout 120\0AUTH_PENDING\0'), [
    { kind: 'auth-pending', timeoutSeconds: 120 },
    { kind: 'auth-pending', timeoutSeconds: undefined },
  ]);
});

test("a peer's text has no control characters and is not endless", () => {
  const [message] = decode(`AUTH_FAILED,\x1b[31mred\x07${'x'.repeat(1_000)}\0`);
  assert.ok(message?.kind === 'auth-failed');
  assert.match(message.reason, /^\[31mred x+…$/);
  assert.ok(message.reason.length < 300);
});

test('any record is digested without an error, into few commands', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (record) => {
      assert.ok(decodeControlMessages(record).length <= 16);
    }),
  );
});

test('a record full of line ends costs no more than one of letters', () => {
  const record = new Uint8Array(16_384).fill(0x0a);
  record[record.length - 1] = 0x78;
  const times = Array.from({ length: 3 }, () => {
    const before = performance.now();
    decodeControlMessages(record);
    return performance.now() - before;
  });
  // A pattern that is tried at every line end took 170 ms.
  assert.ok(Math.min(...times) < 40, `${Math.min(...times)} ms`);
});
