/** GRE packets of a hostile peer: PPP in the clear, and MPPE that is sealed after the change, or spoiled behind it. */
import type { SeededRandom } from '@culvert/testkit';
import { MppePeer, type StatefulMppePeer } from '../../../packages/cipher/test/mppe-peer.ts';
import { innerPackets } from '../inner-packets.ts';
import { applyChanges, drawChanges, pick } from '../mutate.ts';
import { routerPackets } from '../ppp/frames.ts';
import { network } from '../ppp/world.ts';
import type { Sealed } from './deliveries.ts';
import { callIds } from './messages.ts';

/** Sealed with a count that the receiver takes, the change inside. */
export const innerDecoders = ['inner-ipv4', 'inner-ipv6', 'inner-router', 'inner-other'] as const;
export type InnerDecoder = (typeof innerDecoders)[number];

/** In every form that a receiver has to take (RFC 1661, sections 6.5 and 6.6). */
const heads = ['ff0300fd', '00fd', 'ff03fd', 'fd'] as const;
const ends = { ipv4: network.ipv4?.peer ?? '', ipv6: 'fd00:99:0:7::7' };
const packets = [...innerPackets(ends, 'in'), ...innerPackets(ends, 'out')];
const byVersion = {
  'inner-ipv4': packets.filter(([first = 0]) => first >>> 4 === 4),
  'inner-ipv6': packets.filter(([first = 0]) => first >>> 4 === 6),
} as const;
const protocols = {
  'inner-ipv4': ['0021', '21'],
  'inner-ipv6': ['0057', '57'],
  'inner-router': ['0057', '57'],
  'inner-other': ['c021', 'c223', '80fd', '8021', '8057', '00fd', 'fd', '002d', '0121', '00', '', '0021', '57'],
} as const;

/** A packet that every filter lets pass: the liveness of the path is seen by it. */
export const honestPacket: Uint8Array = byVersion['inner-ipv4'][3] ?? new Uint8Array(0);

/** An inner packet, changed, and its protocol field. */
export function drawInner(random: SeededRandom, decoder: InnerDecoder): { packet: Uint8Array; protocol: string } {
  const protocol = pick(random, protocols[decoder]);
  if (decoder === 'inner-other') return { packet: random.bytes(random.integer(80)), protocol };
  const base = decoder === 'inner-router' ? pick(random, routerPackets) : pick(random, byVersion[decoder]);
  return { packet: applyChanges(base, drawChanges(random, base.length, { focus: [0, 60] })), protocol };
}

/** The next frame of the peer, and what lies in it. */
export function sealInner(
  random: SeededRandom,
  mppe: MppePeer | StatefulMppePeer,
  packet: Uint8Array,
  protocol: string,
  flushed = random.chance(0.3),
): { readonly frame: Uint8Array; readonly sealed: Sealed } {
  const bits = random.chance(0.9) ? 0x9000 : pick(random, [0xf000, 0xb000, 0xd000]);
  const sealed = { number: mppe.next, plain: Buffer.concat([Buffer.from(protocol, 'hex'), packet]) };
  const parts = { protocol, head: pick(random, heads) };
  const frame =
    mppe instanceof MppePeer ? mppe.frame(packet, { ...parts, bits }) : mppe.frame(packet, { ...parts, flushed });
  return { frame, sealed };
}

/** A sealed frame whose head, flags, count or secret is another one. */
export function spoilSealed(random: SeededRandom, frame: Uint8Array): Uint8Array {
  return applyChanges(frame, drawChanges(random, frame.length, { focus: [0, 8] }));
}

/** An enhanced GRE packet (RFC 2637, section 4.1) to the subject. */
export function grePacket(frame: Uint8Array, sequence: number, acknowledgement: number | undefined): Buffer {
  const head = Buffer.alloc(acknowledgement === undefined ? 12 : 16);
  head.writeUInt32BE(acknowledgement === undefined ? 0x3001_880b : 0x3081_880b, 0);
  head.writeUInt16BE(frame.length, 4);
  head.writeUInt16BE(callIds.subject, 6);
  head.writeInt32BE(sequence, 8);
  if (acknowledgement !== undefined) head.writeInt32BE(acknowledgement, 12);
  return Buffer.concat([head, frame]);
}

export function spoilGre(random: SeededRandom, packet: Uint8Array): Uint8Array {
  return applyChanges(packet, drawChanges(random, packet.length, { focus: [0, 16] }));
}
