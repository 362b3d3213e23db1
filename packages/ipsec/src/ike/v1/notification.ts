/**
 * Notification and delete payloads (RFC 2408, sections 3.14 and 3.15; RFC 2407, section 4.6.3; RFC 3706).
 *
 *   notification   | DOI = 1 (4) | protocol | SPI size | type (2) | SPI | data ...
 *   delete         | DOI = 1 (4) | protocol | SPI size | count (2) | SPI ...
 */
import { Reader, WireError, Writer } from '@culvert/wire';
import { type Lifetimes, lifetimeAttributes, lifetimesOf, shorterOf } from './attributes.ts';
import { type Payload, PayloadType } from './payload.ts';
import { decodeAttributes, encodeAttributes, IPSEC_DOI, ProtocolId } from './security-association.ts';

export const NotifyType = {
  invalidExchange: 7,
  noProposalChosen: 14,
  payloadMalformed: 16,
  invalidKey: 17,
  invalidId: 18,
  authenticationFailed: 24,
  responderLifetime: 24_576,
  initialContact: 24_578,
  areYouThere: 36_136,
  iAmHere: 36_137,
} as const;

/** Types of the attributes Life Type and Life Duration (RFC 2409, appendix A; RFC 2407, section 4.5). */
const PHASE1_LIFE = [11, 12] as const;
const PHASE2_LIFE = [1, 2] as const;

export interface Notification {
  readonly protocol: number;
  readonly type: number;
  readonly spi: Uint8Array;
  readonly data: Uint8Array;
}

export interface Deletion {
  readonly protocol: number;
  readonly spis: readonly Uint8Array[];
}

export function decodeNotification(body: Uint8Array): Notification {
  const r = new Reader(body);
  r.u32('DOI');
  const protocol = r.u8('protocol');
  const spiBytes = r.u8('SPI size');
  const type = r.u16('notify type');
  return { protocol, type, spi: r.bytes(spiBytes, 'SPI'), data: r.rest() };
}

export function notify(
  type: number,
  protocol: number,
  spi: Uint8Array = new Uint8Array(0),
  data: Uint8Array = new Uint8Array(0),
): Payload {
  const w = new Writer(8 + spi.length + data.length).u32(IPSEC_DOI).u8(protocol).u8(spi.length).u16(type);
  return { type: PayloadType.notification, body: w.bytes(spi).bytes(data).finish() };
}

/**
 * That the responder keeps an SA for less long than it was asked for (RESPONDER-LIFETIME: RFC 2407, section 4.6.3.1); the SPI is that of the child, by which its
 * peer sends, or both cookies.
 */
export function responderLifetime(protocol: number, spi: Uint8Array, kept: Partial<Lifetimes>): Payload {
  const attributes = encodeAttributes(lifetimeAttributes(...lifeTypes(protocol), kept));
  return notify(NotifyType.responderLifetime, protocol, spi, attributes);
}

/** What such notifications in an answer say of an SA of this protocol, and `asked`: of each unit the least. Throws WireError. */
export function shortestLife(list: readonly Payload[], protocol: number, asked: Lifetimes): Lifetimes {
  let life = asked;
  for (const { type, body } of list) {
    if (type !== PayloadType.notification) continue;
    const told = decodeNotification(body);
    if (told.type !== NotifyType.responderLifetime || told.protocol !== protocol) continue;
    const attributes = decodeAttributes(new Reader(told.data));
    life = shorterOf(life, lifetimesOf({ attributes }, ...lifeTypes(protocol)));
  }
  return life;
}

function lifeTypes(protocol: number): readonly [type: number, duration: number] {
  return protocol === ProtocolId.isakmp ? PHASE1_LIFE : PHASE2_LIFE;
}

/** R-U-THERE or its answer (RFC 3706, section 5.3): the SPI is both cookies, the data the sequence number. */
export function aliveness(type: number, cookies: Uint8Array, sequence: number): Payload {
  return notify(type, ProtocolId.isakmp, cookies, new Writer(4).u32(sequence).finish());
}

export function decodeDeletion(body: Uint8Array): Deletion {
  const r = new Reader(body);
  r.u32('DOI');
  const protocol = r.u8('protocol');
  const spiBytes = r.u8('SPI size');
  const count = r.u16('SPIs');
  if (spiBytes * count !== r.remaining)
    throw new WireError('CULVERT_WIRE_LENGTH', `${count} SPIs of ${spiBytes} bytes`);
  return { protocol, spis: Array.from({ length: spiBytes === 0 ? 0 : count }, () => r.bytes(spiBytes, 'SPI')) };
}

export function deletion(protocol: number, spi: Uint8Array): Payload {
  const body = new Writer(8 + spi.length).u32(IPSEC_DOI).u8(protocol).u8(spi.length).u16(1).bytes(spi).finish();
  return { type: PayloadType.delete, body };
}
