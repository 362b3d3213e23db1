import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { WireError } from '@culvert/wire';
import { datagrams } from '../../../test/strongswan.ts';
import { decodeFragment, type Fragment, FragmentAssembler, splitMessage } from './fragment.ts';
import { decodeMessage } from './message.ts';
import { bodyOf, decodePayloads, PayloadType } from './payload.ts';

function fragments(datagramsOfMessage: readonly Uint8Array[]): readonly Fragment[] {
  return datagramsOfMessage.map((datagram) => {
    const { firstPayload, rest } = decodeMessage(datagram);
    const { list } = decodePayloads(firstPayload, rest);
    assert.equal(list.length, 1, 'a fragment is the only payload of its message');
    return decodeFragment(bodyOf(list, PayloadType.fragment) ?? rest);
  });
}

test('a message goes in pieces and comes together in any order, repeated ones included', () => {
  const random = seededRandom(30);
  for (const mostBytes of [60, 100, 371, 372, 1280]) {
    const pieces = splitMessage(datagrams.mm3, 7, mostBytes);
    assert.ok(pieces.every((piece) => piece.length <= mostBytes));
    const all = [...fragments(pieces)];
    const shuffled = [...all, ...all.slice(0, -1)]
      .map((fragment) => ({ fragment, key: random.integer(1_000_000) }))
      .sort((a, b) => a.key - b.key);
    const assembler = new FragmentAssembler();
    const whole = shuffled.flatMap(({ fragment }) => assembler.add(fragment) ?? []);
    assert.deepEqual(whole[0], datagrams.mm3);
  }
});

test('the header of a piece is that of the message without encryption', () => {
  const [piece = datagrams.mm5] = splitMessage(datagrams.mm5, 1, 60);
  assert.deepEqual(piece.subarray(0, 16), datagrams.mm5.subarray(0, 16));
  // np 132, version 1.0, exchange 2, no flags; one generic header, id 1, number 1, not the last.
  assert.deepEqual([...piece.subarray(16, 20)], [132, 0x10, 2, 0]);
  assert.deepEqual([...piece.subarray(28, 36)], [0, 0, 0, 32, 0, 1, 1, 0]);
});

test('a new id begins anew; too much, or what goes beyond the last, is refused and forgotten', () => {
  const assembler = new FragmentAssembler();
  const piece = (id: number, number: number, last = false, bytes = 1): Fragment => ({
    id,
    number,
    last,
    data: new Uint8Array(bytes).fill(number),
  });
  assert.equal(assembler.add(piece(1, 1)), undefined);
  assert.equal(assembler.add(piece(2, 2, true)), undefined);
  assert.deepEqual(assembler.add(piece(2, 1)), Uint8Array.of(1, 2));
  assert.throws(() => assembler.add(piece(3, 65)), WireError);
  assembler.add(piece(4, 2, true));
  assert.throws(() => assembler.add(piece(4, 3)), WireError);
  assembler.add(piece(5, 3));
  assert.throws(() => assembler.add(piece(5, 2, true)), WireError);
  assembler.add(piece(6, 1, false, 32_768));
  assert.throws(() => assembler.add(piece(6, 2, false, 1)), WireError);
  assert.deepEqual(assembler.add(piece(6, 1, true)), Uint8Array.of(1), 'as if nothing had been before');
});

test('pieces that cannot be are a caller’s mistake', () => {
  assert.throws(() => splitMessage(datagrams.mm3, 1, 36), RangeError);
  assert.throws(() => splitMessage(datagrams.mm3, 1, 37), RangeError);
});

test('a fragment that is cut, or has number 0, is refused', () => {
  assert.throws(() => decodeFragment(Uint8Array.of(0, 1, 1)), WireError);
  assert.throws(() => decodeFragment(Uint8Array.of(0, 1, 0, 1)), /fragment number 0/);
});
