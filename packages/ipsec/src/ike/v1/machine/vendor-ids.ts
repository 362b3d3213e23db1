/** Vendor ids that change what we do (RFC 2408, section 3.16; RFC 3947, RFC 3706, MS-IKEE 1.7). Others are passed over. */
import type { NatDialect } from './phase2-proposal.ts';

const ids = {
  natRfc: '4a131c81070358455c5728f20e95452f',
  natDraft2Newline: '90cb80913ebb696e086381b5ec427b1f',
  natDraft2: 'cd60464335df21f87cfdb2fc68b6a448',
  natDraft3: '7d9419a65310ca6f2c179d9215529d56',
  natApple: '4df37928e9fc4fd1b3262170d515c662',
  fragmentation: '4048b7d56ebce88525e7de7f00d6c2d3',
  deadPeerDetection: 'afcad71368a1f1c96b8696fc77570100',
  microsoft: '1e2b516905991c7d7c96fcbfb587e461',
} as const;

export interface PeerVendor {
  /** The NAT traversal that both know, its vendor id with it; undefined: none. */
  readonly nat: { readonly dialect: NatDialect; readonly id: Uint8Array } | undefined;
  readonly deadPeerDetection: boolean;
  readonly fragmentation: boolean;
  /** Windows: never rekeyed from our side while it is behind NAT. */
  readonly microsoft: boolean;
}

/** Best first. */
const natDialects: readonly (readonly [string, NatDialect])[] = [
  [ids.natRfc, 'rfc'],
  [ids.natDraft3, 'draft'],
  [ids.natDraft2Newline, 'draft'],
  [ids.natDraft2, 'draft'],
  [ids.natApple, 'apple'],
];

export function readVendorIds(bodies: readonly Uint8Array[]): PeerVendor {
  const seen = bodies.map((body) => Buffer.from(body).toString('hex'));
  const nat = natDialects.find(([id]) => seen.includes(id));
  return {
    nat: nat && { id: Buffer.from(nat[0], 'hex'), dialect: nat[1] },
    deadPeerDetection: seen.includes(ids.deadPeerDetection),
    // Its last four bytes tell what else the sender can, and Windows sends none.
    fragmentation: seen.some((id) => id.startsWith(ids.fragmentation)),
    microsoft: seen.some((id) => id.startsWith(ids.microsoft)),
  };
}

/** What we say as initiator. */
export function initiatorVendorIds(): Uint8Array[] {
  return [ids.natRfc, ids.natDraft2Newline, ids.deadPeerDetection, ids.fragmentation].map(bytes);
}

/** What we answer: one id for NAT traversal, since some peers mix dialects when they see two. Most wanted first. */
export function responderVendorIds(peer: PeerVendor): Uint8Array[] {
  return [
    ...(peer.nat ? [peer.nat.id] : []),
    ...(peer.deadPeerDetection ? [bytes(ids.deadPeerDetection)] : []),
    ...(peer.fragmentation ? [bytes(ids.fragmentation)] : []),
  ];
}

function bytes(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}
