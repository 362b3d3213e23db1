/** What both roles of quick mode share (RFC 2409, section 5.5). */
import { WireError } from '@culvert/wire';
import type { ChildSa, EspKeys, TrafficSelector } from '../../../child-sa.ts';
import { prf } from '../../prf.ts';
import { decodeIdentification, networkOfIdentification } from '../identification.ts';
import { natPayloads } from '../nat-detection.ts';
import { bodiesOf, type Payload } from '../payload.ts';
import { phase2Hash3 } from '../phase1-keys.ts';
import { deriveEspKeys } from '../phase2-keys.ts';
import type { Phase2Chosen } from '../phase2-proposal.ts';
import type { IkeSa } from './ike-sa.ts';
import { join, u32 } from './keys.ts';

/** HASH(1), that of an informational exchange too, and with the initiator's nonce HASH(2). */
export function quickHash(sa: IkeSa, messageId: number, ...rest: readonly Uint8Array[]): Uint8Array {
  const { keys } = sa;
  if (keys === undefined) throw new Error('quick mode before phase 1 has keys');
  return prf(keys.suite.hash, keys.skeyidA, u32(messageId), ...rest);
}

export function quickHash3(sa: IkeSa, messageId: number, nonces: Nonces): Uint8Array {
  const { keys } = sa;
  if (keys === undefined) throw new Error('quick mode before phase 1 has keys');
  return phase2Hash3(keys.suite.hash, keys.skeyidA, messageId, nonces.initiator, nonces.responder);
}

export interface Nonces {
  readonly initiator: Uint8Array;
  readonly responder: Uint8Array;
}

export interface ChildMaterial {
  readonly choice: Phase2Chosen;
  readonly inboundSpi: number;
  /** Undefined without perfect forward secrecy. */
  readonly sharedSecret: Uint8Array | undefined;
  readonly nonces: Nonces;
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}

export function makeChild(sa: IkeSa, from: ChildMaterial): ChildSa {
  const { choice, sharedSecret, nonces } = from;
  const { keys } = sa;
  if (keys === undefined) throw new Error('quick mode before phase 1 has keys');
  const { suite, skeyidD } = keys;
  const { initiator: initiatorNonce, responder: responderNonce } = nonces;
  const direction = (spi: number): EspKeys =>
    deriveEspKeys({ hash: suite.hash, skeyidD, sharedSecret, initiatorNonce, responderNonce }, choice.algorithms, spi);
  return {
    mode: choice.mode,
    algorithms: choice.algorithms,
    inbound: direction(from.inboundSpi),
    outbound: direction(choice.spi),
    udpEncapsulated: choice.udpEncapsulated,
    esn: false,
    local: from.local,
    remote: from.remote,
  };
}

export function spiNumber(spi: Uint8Array): number {
  return spi.reduce((sum, byte) => sum * 256 + byte, 0);
}

/**
 * What an identification of phase 2 selects. In transport mode its address is passed over for the one that packets have: behind NAT it is
 * a private one, or that of a server's other side. A name, which old Windows sends, selects that address too.
 */
export function selectorOf(body: Uint8Array | undefined, address: string, transport: boolean): TrafficSelector {
  const host = `${address.split('%')[0]}/${address.includes(':') ? 128 : 32}`;
  if (body === undefined) return { network: host, protocol: 0, port: 0 };
  const id = decodeIdentification(body);
  const network = networkOfIdentification(id);
  if (id.protocol === 0 && id.port !== 0) throw new WireError('CULVERT_WIRE_VALUE', 'a port without a protocol');
  return { network: transport || network === undefined ? host : network, protocol: id.protocol, port: id.port };
}

/** NAT-OA payloads (RFC 3947, section 5.2): initiator's, then responder's address; of the drafts the sender's alone. */
export function originalAddresses(sa: IkeSa, initiator: Uint8Array, responder: Uint8Array): Payload[] {
  if (sa.nat === undefined || sa.nat === 'apple') return [];
  const type = natPayloads[sa.nat].original;
  const body = (address: Uint8Array) => join(Uint8Array.of(address.length === 4 ? 1 : 5, 0, 0, 0), address);
  const own = sa.role === 'initiator' ? initiator : responder;
  return (sa.nat === 'rfc' ? [initiator, responder] : [own]).map((address) => ({ type, body: body(address) }));
}

/** The peer's own address by its NAT-OA. */
export function peerOriginal(sa: IkeSa, list: readonly Payload[]): Uint8Array | undefined {
  if (sa.nat === undefined) return undefined;
  const all = bodiesOf(list, natPayloads[sa.nat].original);
  const body = sa.nat === 'rfc' && sa.role === 'initiator' ? all[1] : all[0];
  if (body === undefined || (body.length !== 8 && body.length !== 20)) return undefined;
  return body.subarray(4);
}
