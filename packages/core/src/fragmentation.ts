/** IPv4 fragmentation (RFC 791, section 3.2) for packets that allow it and are larger than a link's MTU. */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { checksum, IPV4_HEADER, type PacketHeaders } from '@culvert/wire';

/** The largest packet there is, cut for the smallest MTU that a link may have. */
const MOST_BYTES = 0x1_0000 * 2;
const MOST_FRAGMENTS = 256;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;

export class Fragmenter {
  readonly batch: PacketBatch = createPacketBatch(MOST_FRAGMENTS, MOST_BYTES);

  /**
   * Cuts the packet of `h`, at `at` in `view`, into fragments of at most `mtu` bytes in `batch`, which it clears first.
   * False: it may not be cut (IPv6, don't fragment), has IP options, whose copying is not worth its code, or reaches beyond what an
   * offset can say: cut, such a fragment would become a first one, with ports that no filter saw.
   */
  cut(view: DataView, h: PacketHeaders, at: number, mtu: number): boolean {
    const { batch } = this;
    const room = (mtu - IPV4_HEADER) & ~7;
    const payload = h.length - IPV4_HEADER;
    const isPlain = h.version === 4 && view.getUint8(at) === 0x45 && !h.dontFragment;
    if (!isPlain || room < 8 || Math.ceil(payload / room) > MOST_FRAGMENTS) return false;
    const flags = view.getUint16(at + 6);
    if ((flags & OFFSET_MASK) * 8 + payload > 0xffff) return false;
    batch.count = 0;
    batch.used = 0;
    for (let done = 0; done < payload; done += room) {
      const size = Math.min(room, payload - done);
      const more = done + size < payload ? MORE_FRAGMENTS : flags & MORE_FRAGMENTS;
      this.#append(view, at, done, size, more | ((flags & OFFSET_MASK) + done / 8));
    }
    return true;
  }

  #append(view: DataView, at: number, from: number, size: number, flags: number): void {
    const { batch } = this;
    const to = batch.used;
    const out = batch.view;
    for (let i = 0; i < IPV4_HEADER; i++) out.setUint8(to + i, view.getUint8(at + i));
    for (let i = 0; i < size; i++) out.setUint8(to + IPV4_HEADER + i, view.getUint8(at + IPV4_HEADER + from + i));
    out.setUint16(to + 2, IPV4_HEADER + size);
    out.setUint16(to + 6, flags);
    out.setUint16(to + 10, 0);
    out.setUint16(to + 10, checksum(out, to, IPV4_HEADER));
    batch.offsets[batch.count] = to;
    batch.lengths[batch.count++] = IPV4_HEADER + size;
    batch.used += IPV4_HEADER + size;
  }
}
