/** Bytes of the virtio_net_hdr before each packet of a batch that has them. */
export const virtioBytes = 10;

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
  /**
   * True: right before each packet lie the `virtioBytes` of its virtio_net_hdr (linux/virtio_net.h, this machine's byte order),
   * so a packet may be a train: a TCP or UDP super-packet of up to 64 KiB that is cut into segments later; and its upper
   * checksum may be partial. False or absent: every packet is single and complete.
   *
   *   0       1          2         4          6            8             10
   *   | flags | gso type | hdr len | gso size | csum start | csum offset | IP packet ...
   */
  readonly virtio?: boolean;
  /** Packets in use, at most `offsets.length`. */
  count: number;
  /** First free byte of the arena: appending starts here. */
  used: number;
}

/** A batch with room for `slots` packets and `bytes` bytes, all of it allocated here and never again. */
export function createPacketBatch(
  slots: number,
  bytes: number,
  options: { readonly virtio?: boolean } = {},
): PacketBatch {
  const arena = new Uint8Array(new ArrayBuffer(bytes));
  return {
    arena,
    view: new DataView(arena.buffer),
    offsets: new Uint32Array(slots),
    lengths: new Uint32Array(slots),
    tags: new Uint32Array(slots),
    virtio: options.virtio ?? false,
    count: 0,
    used: 0,
  };
}
