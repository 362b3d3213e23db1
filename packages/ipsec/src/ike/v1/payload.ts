/**
 * Payloads, each behind the generic header (RFC 2408, section 3.2):
 *
 *   | next payload 1 | reserved 1 | length 2, header included | body ...
 *
 * The bodies are of RFC 2408, sections 3.4 to 3.16; identities of RFC 2407, section 4.6.2; NAT-D and NAT-OA of RFC 3947, sections 3.2
 * and 5.2, and of its drafts, which have the same bodies under other numbers; fragments of MS-IKEE, section 2.2.3.
 */
import { Reader, WireError, Writer } from '@culvert/wire';
import { decodeSecurityAssociation, encodeSecurityAssociation, type Proposal } from './security-association.ts';

export const PayloadType = {
  none: 0,
  securityAssociation: 1,
  keyExchange: 4,
  identification: 5,
  certificate: 6,
  certificateRequest: 7,
  hash: 8,
  signature: 9,
  nonce: 10,
  notification: 11,
  delete: 12,
  vendorId: 13,
  natDetectionApple: 15,
  natOriginalAddressApple: 16,
  natDetection: 20,
  natOriginalAddress: 21,
  natDetectionDraft: 130,
  natOriginalAddressDraft: 131,
  fragment: 132,
} as const;

/** Whose numbers NAT traversal goes by: RFC 3947; drafts 00 to 03; what Apple shipped, after "draft-ietf-ipsec-nat-t-ike" and drafts 04 to 08. */
export type NatFlavour = 'rfc' | 'draft' | 'apple';

/** Types of identities (RFC 2407, section 4.6.2.1). */
export const IdentityType = {
  ipv4Address: 1,
  fqdn: 2,
  userFqdn: 3,
  ipv4Subnet: 4,
  ipv6Address: 5,
  ipv6Subnet: 6,
  ipv4Range: 7,
  ipv6Range: 8,
  derDistinguishedName: 9,
  derGeneralName: 10,
  keyId: 11,
} as const;

/** Encodings of certificates (RFC 2408, section 3.9). */
export const CertificateEncoding = { pkcs7: 1, x509Signature: 4 } as const;

/** Notify messages that IKE acts on (RFC 2408, section 3.14.1; RFC 2407, section 4.6.3; RFC 3706, section 5). */
export const NotifyType = {
  invalidCookie: 4,
  invalidExchangeType: 7,
  invalidMessageId: 9,
  noProposalChosen: 14,
  payloadMalformed: 16,
  invalidKeyInformation: 17,
  invalidIdInformation: 18,
  authenticationFailed: 24,
  connected: 16_384,
  responderLifetime: 24_576,
  replayStatus: 24_577,
  initialContact: 24_578,
  rUThere: 36_136,
  rUThereAck: 36_137,
} as const;

// Fixed by RFC 2409, section 5.
const MIN_NONCE = 8;
const MAX_NONCE = 256;

// Chosen: a message has some twenty payloads, a delete some SPIs.
const MAX_PAYLOADS = 64;
const MAX_SPIS = 64;
const MAX_SPI_BYTES = 16;

export interface Identification {
  readonly kind: 'identification';
  /** One of `IdentityType`. */
  readonly type: number;
  /** Protocol and port 0 stand for any. */
  readonly protocol: number;
  readonly port: number;
  readonly data: Uint8Array;
}

export interface Notification {
  readonly kind: 'notification';
  readonly doi: number;
  readonly protocol: number;
  readonly spi: Uint8Array;
  readonly type: number;
  readonly data: Uint8Array;
}

export interface Fragment {
  readonly kind: 'fragment';
  readonly id: number;
  /** From 1. */
  readonly number: number;
  readonly last: boolean;
  readonly data: Uint8Array;
}

export interface NatOriginalAddress {
  readonly kind: 'natOriginalAddress';
  readonly flavour: NatFlavour;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
}

export type Payload =
  | { readonly kind: 'securityAssociation'; readonly proposals: readonly Proposal[] }
  | { readonly kind: 'keyExchange' | 'hash' | 'signature' | 'nonce' | 'vendorId'; readonly data: Uint8Array }
  | Identification
  /** `encoding` is one of `CertificateEncoding`; the data of a request is the DER name of the authority wanted, or empty. */
  | { readonly kind: 'certificate' | 'certificateRequest'; readonly encoding: number; readonly data: Uint8Array }
  | Notification
  | { readonly kind: 'delete'; readonly doi: number; readonly protocol: number; readonly spis: readonly Uint8Array[] }
  | { readonly kind: 'natDetection'; readonly flavour: NatFlavour; readonly hash: Uint8Array }
  | NatOriginalAddress
  | Fragment;

/** A payload with its body as it came, for the hashes that cover it (SAi_b, IDii_b and others). Borrows from the input. */
export type ReceivedPayload = Payload & { readonly body: Uint8Array };

export interface PayloadChain {
  readonly payloads: readonly ReceivedPayload[];
  /** Types that are unknown here and were skipped. */
  readonly skipped: readonly number[];
  /** What follows the first payload up to the end of the last, padding excluded: HASH(1) and HASH(2) cover it (RFC 2409, section 5.5). */
  readonly afterFirst: Uint8Array;
}

const opaque: Readonly<Record<number, 'keyExchange' | 'hash' | 'signature' | 'vendorId'>> = {
  [PayloadType.keyExchange]: 'keyExchange',
  [PayloadType.hash]: 'hash',
  [PayloadType.signature]: 'signature',
  [PayloadType.vendorId]: 'vendorId',
};

const natDetectionTypes = {
  rfc: PayloadType.natDetection,
  draft: PayloadType.natDetectionDraft,
  apple: PayloadType.natDetectionApple,
} as const;

const natOriginalAddressTypes = {
  rfc: PayloadType.natOriginalAddress,
  draft: PayloadType.natOriginalAddressDraft,
  apple: PayloadType.natOriginalAddressApple,
} as const;

/** Reads the chain that starts with type `first`. What lies behind the last payload is padding, of any value. Throws `WireError`. */
export function decodePayloads(first: number, bytes: Uint8Array): PayloadChain {
  const r = new Reader(bytes);
  const payloads: ReceivedPayload[] = [];
  const skipped: number[] = [];
  let afterFirst = bytes.length;
  for (let type = first, next = 0; type !== PayloadType.none; type = next) {
    if (payloads.length + skipped.length === MAX_PAYLOADS)
      throw new WireError('CULVERT_WIRE_VALUE', 'too many payloads');
    next = r.u8('next payload');
    r.u8('reserved');
    const length = r.u16('payload length');
    if (length < 4) throw new WireError('CULVERT_WIRE_LENGTH', `payload ${type}: length ${length}`);
    const body = r.bytes(length - 4, `payload ${type}`);
    const payload = decodePayload(type, body);
    if (payload === undefined) skipped.push(type);
    else payloads.push({ ...payload, body });
    if (payloads.length + skipped.length === 1) afterFirst = bytes.length - r.remaining;
  }
  return { payloads, skipped, afterFirst: bytes.subarray(afterFirst, bytes.length - r.remaining) };
}

/** The payloads in this order, each with its generic header; `first` is the type for whatever goes before. */
export function encodePayloads(payloads: readonly Payload[]): { readonly first: number; readonly bytes: Uint8Array } {
  const w = new Writer();
  const types = payloads.map(typeOf);
  for (const [n, payload] of payloads.entries()) {
    const body = encodePayloadBody(payload);
    w.u8(types[n + 1] ?? PayloadType.none)
      .u8(0)
      .u16(body.length + 4)
      .bytes(body);
  }
  return { first: types[0] ?? PayloadType.none, bytes: w.finish() };
}

/** Nothing for a type that is unknown. */
function decodePayload(type: number, body: Uint8Array): Payload | undefined {
  const r = new Reader(body);
  const plain = opaque[type];
  if (plain !== undefined) return { kind: plain, data: body };
  switch (type) {
    case PayloadType.securityAssociation:
      return { kind: 'securityAssociation', proposals: decodeSecurityAssociation(body) };
    case PayloadType.nonce:
      if (body.length < MIN_NONCE || body.length > MAX_NONCE) {
        throw new WireError('CULVERT_WIRE_LENGTH', `nonce of ${body.length} bytes`);
      }
      return { kind: 'nonce', data: body };
    case PayloadType.identification:
      return decodeIdentification(r);
    case PayloadType.certificate:
      return { kind: 'certificate', encoding: r.u8('certificate encoding'), data: r.rest() };
    case PayloadType.certificateRequest:
      return { kind: 'certificateRequest', encoding: r.u8('certificate type'), data: r.rest() };
    case PayloadType.notification:
      return decodeNotification(r);
    case PayloadType.delete:
      return decodeDelete(r);
    case PayloadType.fragment:
      return decodeFragment(r);
    default:
      return decodeNat(type, r);
  }
}

/** The body alone, as hashes cover it: SAi_b of an own offer, IDii_b of an own identity. */
export function encodePayloadBody(payload: Payload): Uint8Array {
  const w = new Writer();
  switch (payload.kind) {
    case 'securityAssociation':
      return encodeSecurityAssociation(payload.proposals);
    case 'keyExchange':
    case 'hash':
    case 'signature':
    case 'nonce':
    case 'vendorId':
      return payload.data;
    case 'identification':
      return w.u8(payload.type).u8(payload.protocol).u16(payload.port).bytes(payload.data).finish();
    case 'certificate':
    case 'certificateRequest':
      return w.u8(payload.encoding).bytes(payload.data).finish();
    case 'notification':
      w.u32(payload.doi).u8(payload.protocol).u8(payload.spi.length).u16(payload.type);
      return w.bytes(payload.spi).bytes(payload.data).finish();
    case 'delete':
      w.u32(payload.doi)
        .u8(payload.protocol)
        .u8(payload.spis[0]?.length ?? 0)
        .u16(payload.spis.length);
      for (const spi of payload.spis) w.bytes(spi);
      return w.finish();
    case 'natDetection':
      return payload.hash;
    case 'natOriginalAddress': {
      const type = payload.address.length === 4 ? IdentityType.ipv4Address : IdentityType.ipv6Address;
      return w.u8(type).u24(0).bytes(payload.address).finish();
    }
    case 'fragment':
      return w
        .u16(payload.id)
        .u8(payload.number)
        .u8(payload.last ? 1 : 0)
        .bytes(payload.data)
        .finish();
  }
}

function typeOf(payload: Payload): number {
  if (payload.kind === 'natDetection') return natDetectionTypes[payload.flavour];
  if (payload.kind === 'natOriginalAddress') return natOriginalAddressTypes[payload.flavour];
  return PayloadType[payload.kind];
}

/** | type 1 | protocol 1 | port 2 | data ... | */
function decodeIdentification(r: Reader): Identification {
  const type = r.u8('identity type');
  const protocol = r.u8('identity protocol');
  const port = r.u16('identity port');
  return { kind: 'identification', type, protocol, port, data: r.rest() };
}

/** | DOI 4 | protocol 1 | SPI bytes 1 | type 2 | SPI | data ... | */
function decodeNotification(r: Reader): Notification {
  const doi = r.u32('DOI');
  const protocol = r.u8('protocol');
  const spiBytes = r.u8('SPI size');
  const type = r.u16('notify type');
  if (spiBytes > MAX_SPI_BYTES) throw new WireError('CULVERT_WIRE_VALUE', `notification: SPI of ${spiBytes} bytes`);
  const spi = r.bytes(spiBytes, 'SPI');
  return { kind: 'notification', doi, protocol, spi, type, data: r.rest() };
}

/** | DOI 4 | protocol 1 | SPI bytes 1 | SPIs 2 | SPI ... | */
function decodeDelete(r: Reader): Payload {
  const doi = r.u32('DOI');
  const protocol = r.u8('protocol');
  const spiBytes = r.u8('SPI size');
  const count = r.u16('number of SPIs');
  if (spiBytes > MAX_SPI_BYTES) throw new WireError('CULVERT_WIRE_VALUE', `delete: SPI of ${spiBytes} bytes`);
  if (count > MAX_SPIS) throw new WireError('CULVERT_WIRE_VALUE', `delete of ${count} SPIs`);
  const spis = Array.from({ length: count }, () => r.bytes(spiBytes, 'SPI'));
  return { kind: 'delete', doi, protocol, spis };
}

/** | id 2 | number 1 | flags 1 (1: last) | data ... | */
function decodeFragment(r: Reader): Fragment {
  const id = r.u16('fragment id');
  const number = r.u8('fragment number');
  const last = (r.u8('fragment flags') & 1) !== 0;
  if (number === 0) throw new WireError('CULVERT_WIRE_VALUE', 'fragment number 0');
  return { kind: 'fragment', id, number, last, data: r.rest() };
}

function decodeNat(type: number, r: Reader): Payload | undefined {
  for (const flavour of ['rfc', 'draft', 'apple'] as const) {
    if (type === natDetectionTypes[flavour]) return { kind: 'natDetection', flavour, hash: r.rest() };
    if (type === natOriginalAddressTypes[flavour]) return decodeNatOriginalAddress(r, flavour);
  }
  return undefined;
}

/** | identity type 1 (1 or 5) | reserved 3 | address 4 or 16 | */
function decodeNatOriginalAddress(r: Reader, flavour: NatFlavour): NatOriginalAddress {
  const type = r.u8('NAT-OA type');
  r.u24('reserved');
  if (type !== IdentityType.ipv4Address && type !== IdentityType.ipv6Address) {
    throw new WireError('CULVERT_WIRE_VALUE', `NAT-OA of type ${type}`);
  }
  const address = r.bytes(type === IdentityType.ipv4Address ? 4 : 16, 'NAT-OA address');
  return { kind: 'natOriginalAddress', flavour, address };
}
