import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketHeaders } from '@culvert/wire';
import { forge } from '../test/forged-packets.ts';
import { Fragmenter } from './fragmentation.ts';

/** Offsets of the pieces of a last fragment at `offset`, in bytes; undefined: it is not cut. */
function pieces(offset: number, payload: number): number[] | undefined {
  const packet = forge({ from: '10.8.0.2', to: '10.8.0.3', payload, fragment: [offset, false, 9] });
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const headers = new PacketHeaders();
  assert.ok(headers.read(view, 0, packet.length));
  const fragmenter = new Fragmenter();
  if (!fragmenter.cut(view, headers, 0, 596)) return undefined;
  const { batch } = fragmenter;
  return Array.from(
    { length: batch.count },
    (_, i) => (batch.view.getUint16((batch.offsets[i] ?? 0) + 6) & 0x1fff) * 8,
  );
}

test('a fragment at the very end of a packet is not cut into one at its start', () => {
  assert.deepEqual(pieces(800, 1_000), [800, 1_376]);
  assert.deepEqual(pieces(64_000, 1_000), [64_000, 64_576]);
  // 65,528 + 576 would be written as offset 568 with "more fragments" set.
  assert.equal(pieces(65_528, 1_000), undefined);
  assert.equal(pieces(64_960, 1_000), undefined);
});
