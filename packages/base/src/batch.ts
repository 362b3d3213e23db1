/**
 * Many packets in one arena, described by typed arrays. The packet path hands batches from room to room and touches
 * descriptors, not bytes. The owner of a batch lends it for the length of a call.
 *
 * `offsets[i]` and `lengths[i]` place packet `i`; a consumer may set `lengths[i]` to 0 to drop it.
 * `tags[i]` is for the room that holds the batch (a link's slot, a peer id); it means nothing across a room's face unless that face says so.
 */
export interface PacketBatch {
  readonly arena: Uint8Array;
  /** Over the whole of `arena`. */
  readonly view: DataView;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly tags: Uint32Array;
  /** Packets in use, at most `offsets.length`. */
  count: number;
  /** First free byte of the arena: appending starts here. */
  used: number;
}

/** A batch with room for `slots` packets and `bytes` bytes, all of it allocated here and never again. */
export function createPacketBatch(slots: number, bytes: number): PacketBatch {
  const arena = new Uint8Array(new ArrayBuffer(bytes));
  return {
    arena,
    view: new DataView(arena.buffer),
    offsets: new Uint32Array(slots),
    lengths: new Uint32Array(slots),
    tags: new Uint32Array(slots),
    count: 0,
    used: 0,
  };
}
