/**
 * Many packets in one arena: packet `i` is `lengths[i]` bytes at `offsets[i]`. Length 0 means "dropped".
 *
 * The caller owns it and empties it (`count = used = 0`); it is lent for the length of a call.
 */
export interface TunBatch {
  readonly arena: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /** Packets in use, at most `offsets.length`. */
  count: number;
  /** First free byte of the arena: reading appends here. */
  used: number;
}

/** A batch with room for `slots` packets and `bytes` bytes, all of it allocated here and never again. */
export function createBatch(slots: number, bytes: number): TunBatch {
  return {
    arena: new Uint8Array(bytes),
    offsets: new Uint32Array(slots),
    lengths: new Uint32Array(slots),
    count: 0,
    used: 0,
  };
}
