/** Bytes of the virtio header before each packet of a batch that has them. */
export const virtioBytes = 10;

/**
 * Many packets in one arena: packet `i` is `lengths[i]` bytes at `offsets[i]`. Length 0 means "dropped".
 *
 * The caller owns it and empties it (`count = used = 0`); it is lent for the length of a call.
 */
export interface TunBatch {
  readonly arena: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /**
   * True: the `virtioBytes` before each packet are its virtio_net_hdr (linux/virtio_net.h, numbers in this machine's byte order):
   *
   *   0       1          2         4          6            8             10
   *   | flags | gso type | hdr len | gso size | csum start | csum offset | packet ...
   *
   * False or absent: no headers; every packet is single and its checksums are complete.
   */
  readonly virtio?: boolean;
  /** Packets in use, at most `offsets.length`. */
  count: number;
  /** First free byte of the arena: reading appends here. */
  used: number;
}

/** A batch with room for `slots` packets and `bytes` bytes (headers included), all of it allocated here and never again. */
export function createBatch(slots: number, bytes: number, options: { readonly virtio?: boolean } = {}): TunBatch {
  return {
    arena: new Uint8Array(bytes),
    offsets: new Uint32Array(slots),
    lengths: new Uint32Array(slots),
    virtio: options.virtio ?? false,
    count: 0,
    used: 0,
  };
}
