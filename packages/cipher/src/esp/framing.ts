/** What lies between ESP and an IP packet: the headers of UDP, L2TP and PPP, known once a session stands. */

/** Most of UDP, L2TP with length, numbers and offset, and PPP's address, control and protocol. */
const MAX_HEADER = 64;

export interface EspFramingOptions {
  /** The headers as they are sent. Fields named below are filled in. */
  readonly header: Uint8Array;
  /** Offset of the last byte of PPP's protocol field: 0x21 for IPv4, 0x57 for IPv6. */
  readonly protocolAt: number;
  /** Offsets of fields of 16 bits with a length, and of what it counts from, to the end of the packet. */
  readonly lengths: readonly { readonly at: number; readonly from: number }[];
  /** Ranges that a peer may fill as it likes, such as UDP's checksum. @default none */
  readonly ignored?: readonly { readonly at: number; readonly bytes: number }[];
}

/** Made by `createEspFraming`. */
export interface EspFraming {
  /** Bytes of the headers. */
  readonly bytes: number;
  /** | header length 1 | protocolAt 1 | length fields 1 | at 1, from 1 a field | header | mask: which bits are compared | */
  readonly form: Uint8Array;
}

/** Throws RangeError for what lies outside of the headers, and headers of more than 64 bytes. */
export function createEspFraming({ header, protocolAt, lengths, ignored = [] }: EspFramingOptions): EspFraming {
  const filled = [{ at: protocolAt, bytes: 1 }, ...lengths.map(({ at }) => ({ at, bytes: 2 })), ...ignored];
  const within = ({ at, bytes }: { readonly at: number; readonly bytes: number }) =>
    Number.isInteger(at) && Number.isInteger(bytes) && at >= 0 && bytes >= 0 && at + bytes <= header.length;
  if (
    header.length > MAX_HEADER ||
    !filled.every(within) ||
    !lengths.every(({ from }) => within({ at: from, bytes: 0 }))
  )
    throw new RangeError('a field lies outside of the headers, or they are too long');
  const mask = new Uint8Array(header.length).fill(0xff);
  for (const { at, bytes } of filled) mask.fill(0, at, at + bytes);
  const fields = lengths.flatMap(({ at, from }) => [at, from]);
  return {
    bytes: header.length,
    form: Uint8Array.of(header.length, protocolAt, lengths.length, ...fields, ...header, ...mask),
  };
}
