/** What the peer's payloads say, by variant of the negotiation. */
import { offer, type Part, Type, u32 } from './codec.ts';

export type Authentication = 'pre-shared-key' | 'ecdsa-256';

export interface Variant {
  /** Of the end under test. */
  readonly role: 'initiator' | 'responder';
  readonly authentication: Authentication;
  /** Of phase 1; an endpoint that dials offers no Curve25519. */
  readonly group: 'ecp256' | 'curve25519';
  /** Of quick mode. */
  readonly pfs: boolean;
  readonly nat: boolean;
  readonly tunnel: boolean;
}

export const PRESHARED_KEY = Buffer.from('correct horse');
export const PEER = '198.51.100.7';
export const SUBJECT = '192.0.2.1';

/** The SPI of what comes to the peer. */
export const ownSpi = Buffer.from([0, 1, 2, 3]);

/** NAT-T of RFC 3947, dead peer detection, fragments. */
export const vendorIds = [
  '4a131c81070358455c5728f20e95452f',
  'afcad71368a1f1c96b8696fc77570100',
  '4048b7d56ebce88525e7de7f00d6c2d380000000',
].map((text): Part => [Type.vendor, Buffer.from(text, 'hex')]);

const groups = { ecp256: 19, curve25519: 31 } as const;
const methods = { 'pre-shared-key': 1, 'ecdsa-256': 9 } as const;

/** One transform: AES-256, SHA2-256. It is an offer and the answer to one. */
export function phase1Offer({ group, authentication }: Variant): Uint8Array {
  const [ours, method] = [groups[group], methods[authentication]];
  return offer(1, new Uint8Array(), [
    [
      1,
      [
        [1, 7],
        [14, 256],
        [2, 4],
        [4, ours],
        [3, method],
        [11, 1],
        [12, 28_800],
      ],
    ],
  ]);
}

/** Behind the hash: AES-256-GCM, and whose packets. */
export function quickParts({ pfs, nat, tunnel }: Variant, nonce: Uint8Array, share: Uint8Array): Part[] {
  const mode = (tunnel ? 1 : 2) + (nat ? 2 : 0);
  const network = (net: number) => Buffer.from([4, 0, 0, 0, 10, net, 0, 0, 255, 255, 255, 0]);
  const host = (last: number) => Buffer.from([1, 17, 6, 165, 198, 51, 100, last]);
  const id = tunnel ? network : host;
  const original = (last: number): Part => [Type.natoa, Buffer.from([1, 0, 0, 0, 10, 0, 0, last])];
  return [
    [
      Type.sa,
      offer(3, ownSpi, [
        [20, [[1, 1], [2, 3_600], [4, mode], ...(pfs ? [[3, groups.ecp256] as const] : []), [6, 256]]],
      ]),
    ],
    [Type.nonce, nonce],
    ...(pfs ? [[Type.ke, share] as Part] : []),
    [Type.id, id(1)],
    [Type.id, id(2)],
    ...(nat && !tunnel ? [original(1), original(2)] : []),
  ];
}

export function notification(type: number, spi: Uint8Array, data: Uint8Array): Part {
  const head = Buffer.concat([u32(1), Buffer.from([1, spi.length, type >>> 8, type & 0xff])]);
  return [Type.notify, Buffer.concat([head, spi, data])];
}

export function deletion(protocol: number, spi: Uint8Array): Part {
  return [Type.delete, Buffer.concat([u32(1), Buffer.from([protocol, spi.length, 0, 1]), spi])];
}
