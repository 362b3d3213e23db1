/** What both roles of quick mode share (RFC 2409, section 5.5). */
import { WireError } from '@culvert/wire';
import type { ChildSa, EspKeys, TrafficSelector } from '../../../child-sa.ts';
import { decodeIdentification, networkOfIdentification } from './identification.ts';
import type { IkeSa } from './ike-sa.ts';
import { deriveKeymat, join, prf, u32 } from './keys.ts';
import type { Payload } from './message.ts';
import { natPayloads } from './nat-detection.ts';
import { keyLengths, type Phase2Choice } from './phase2-proposal.ts';
import { ProtocolId } from './sa-payload.ts';

/** HASH(1), and with the initiator's nonce HASH(2). */
export function quickHash(sa: IkeSa, messageId: number, ...rest: readonly Uint8Array[]): Uint8Array {
  const { keys } = sa;
  if (keys === undefined) throw new Error('quick mode before phase 1 has keys');
  return prf(keys.suite, keys.skeyidA, join(u32(messageId), ...rest));
}

export function quickHash3(sa: IkeSa, messageId: number, nonces: Uint8Array): Uint8Array {
  const { keys } = sa;
  if (keys === undefined) throw new Error('quick mode before phase 1 has keys');
  return prf(keys.suite, keys.skeyidA, join(Uint8Array.of(0), u32(messageId), nonces));
}

export interface ChildMaterial {
  readonly choice: Phase2Choice;
  readonly inboundSpi: number;
  readonly outboundSpi: Uint8Array;
  /** Empty without perfect forward secrecy. */
  readonly sharedSecret: Uint8Array;
  /** Initiator's, then responder's. */
  readonly nonces: Uint8Array;
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}

export function makeChild(sa: IkeSa, from: ChildMaterial): ChildSa {
  const { choice, sharedSecret, nonces } = from;
  const { keys } = sa;
  if (keys === undefined) throw new Error('quick mode before phase 1 has keys');
  const lengths = keyLengths(choice.algorithms);
  const direction = (spi: Uint8Array): EspKeys => {
    const seed = { sharedSecret, protocol: ProtocolId.esp, spi, nonces };
    const all = deriveKeymat(keys, seed, lengths.encryption + lengths.integrity);
    return {
      spi: spiNumber(spi),
      encryptionKey: all.slice(0, lengths.encryption),
      integrityKey: all.slice(lengths.encryption),
    };
  };
  return {
    mode: choice.mode,
    algorithms: choice.algorithms,
    inbound: direction(u32(from.inboundSpi)),
    outbound: direction(from.outboundSpi),
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
  const all = list.filter(({ type }) => sa.nat !== undefined && type === natPayloads[sa.nat].original);
  const body = (sa.nat === 'rfc' && sa.role === 'initiator' ? all[1] : all[0])?.body;
  if (body === undefined || (body.length !== 8 && body.length !== 20)) return undefined;
  return body.subarray(4);
}
