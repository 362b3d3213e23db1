/** Whether a packet belongs to the flow of a train, and whether it is the very next one. */
import { IPV6_HEADER } from '@culvert/wire';
import type { Train } from './joiner.ts';
import { Flag, type Layout, Tcp } from './layout.ts';

/** Same addresses, ports and protocol. The train lies in `arena`; the packet is all of `packet`. */
export function isSameFlow(train: Train, arena: DataView, packet: DataView, layout: Layout): boolean {
  const { start } = train;
  if (train.layout.version !== layout.version || train.layout.udp !== layout.udp) return false;
  if (arena.getUint32(start + train.layout.transport) !== packet.getUint32(layout.transport)) return false;
  return layout.version === 4 ? same(arena, start, packet, 12, 20) : same(arena, start, packet, 8, 40);
}

/** Whether the packet, of the same flow, right in itself and not too large, is one that GRO would append. */
export function continues(train: Train, arena: DataView, packet: DataView, layout: Layout): boolean {
  if (train.layout.transport !== layout.transport || train.layout.header !== layout.header) return false;
  const { start } = train;
  const ip =
    layout.version === 4
      ? same(arena, start, packet, 0, 2) && same(arena, start, packet, 6, 10) && idContinues(train, arena, packet)
      : same(arena, start, packet, 0, 4) &&
        same(arena, start, packet, 6, 8) &&
        same(arena, start, packet, IPV6_HEADER, layout.transport);
  return ip && (layout.udp || tcpContinues(train, arena, packet, layout));
}

/** One more than the identification before, or the same all the time where it has no meaning. */
function idContinues(train: Train, arena: DataView, packet: DataView): boolean {
  const step = (packet.getUint16(4) - arena.getUint16(train.start + 4)) & 0xffff;
  if (train.segments > 1) return step === (train.fixedId ? 0 : train.segments);
  const dontFragment = (arena.getUint8(train.start + 6) & 0x40) !== 0;
  return step === 1 || (step === 0 && dontFragment);
}

/**
 * CWR goes alone: a virtio header can say that the first segment has it, as RFC 3168 means it, and not what AccECN counts by it
 * (RFC 9768, section 3.1.2). Linux 6.18 lets it alone as well.
 */
function tcpContinues(train: Train, arena: DataView, packet: DataView, layout: Layout): boolean {
  const { start } = train;
  const at = layout.transport;
  const flags = packet.getUint8(at + Tcp.flags);
  const differ = flags ^ arena.getUint8(start + at + Tcp.flags);
  return (
    packet.getUint32(at + Tcp.seq) === train.nextSeq &&
    (differ & ~(Flag.fin | Flag.psh)) === 0 &&
    same(arena, start, packet, at + Tcp.ack, at + Tcp.flags) &&
    same(arena, start, packet, at + Tcp.window, at + Tcp.checksum) &&
    same(arena, start, packet, at + Tcp.urgent, layout.header)
  );
}

/** Bytes `from` to `to` of the train's first packet and of the packet. */
function same(arena: DataView, start: number, packet: DataView, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (arena.getUint8(start + i) !== packet.getUint8(i)) return false;
  return true;
}
