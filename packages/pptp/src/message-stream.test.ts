import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { encodeMessage } from './control-message.ts';
import { LONGEST_MESSAGE, MessageStream } from './message-stream.ts';

const echo = encodeMessage({ kind: 'echoRequest', identifier: 0x01020304 });
const clear = encodeMessage({ kind: 'callClearRequest', callId: 5 });

function messagesOf(stream: MessageStream, pieces: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  for (const piece of pieces) stream.take(piece, (message) => found.push(Buffer.from(message).toString('hex')) > 0);
  return found;
}

function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

test('messages come out whole, however the stream was cut', () => {
  const whole = Buffer.concat([echo, clear, echo]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: whole.length }), { maxLength: 12 }), (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), whole.length];
      const pieces = edges.slice(1).map((end, i) => whole.subarray(edges[i], end));
      const stream = new MessageStream();
      assert.deepEqual(
        messagesOf(stream, pieces),
        [echo, clear, echo].map((message) => Buffer.from(message).toString('hex')),
      );
      assert.equal(stream.broken, false);
    }),
  );
});

test('a wrong cookie or an impossible length breaks the stream for good', () => {
  const bad = [
    changed(echo, 4, 0),
    changed(echo, 7, 0x4c),
    changed(echo, 0, 0, 11),
    changed(echo, 0, 1, 1),
    changed(echo, 0, 0, 0),
  ];
  for (const message of bad) {
    const stream = new MessageStream();
    assert.deepEqual(messagesOf(stream, [clear, message, echo]).length, 1);
    assert.equal(stream.broken, true);
  }
});

test('the longest message is taken, a message of another PPTP type passed over', () => {
  const longest = new Uint8Array(LONGEST_MESSAGE);
  longest.set(changed(echo, 0, 1, 0));
  const stream = new MessageStream();
  assert.deepEqual(messagesOf(stream, [longest, changed(echo, 3, 2), clear]).length, 2);
  assert.deepEqual([stream.foreign, stream.broken], [1, false]);
});

test('the reader may stop in the middle', () => {
  const stream = new MessageStream();
  let seen = 0;
  stream.take(Buffer.concat([echo, echo, echo]), () => ++seen < 2);
  assert.equal(seen, 2);
});
