/**
 * The packet that LCP, the NCPs, PAP, CHAP and EAP share, and the options of Configure packets (RFC 1661, sections 5 and 6).
 *
 *   packet   | code 1 | identifier 1 | length 2 | body ...            bytes past `length` are padding
 *   option   | type 1 | length 1 | data ...                           both lengths cover their own head
 *
 * Strangers choose how often these are decoded, so nothing here throws: what breaks the layout is undefined.
 */

const HEADER_BYTES = 4;
const OPTION_HEADER_BYTES = 2;
/** The longest that a length field can tell. */
const LONGEST_PACKET = 0xffff;
const LONGEST_OPTION = 0xff;

export interface ControlPacket {
  readonly code: number;
  readonly id: number;
  /** Options or message, still encoded. Borrows from the input. */
  readonly body: Uint8Array;
}

export interface ConfigOption {
  readonly type: number;
  /** Borrows from the input. */
  readonly data: Uint8Array;
}

export function decodeControlPacket(bytes: Uint8Array): ControlPacket | undefined {
  const [code, id, high = 0, low = 0] = bytes;
  const length = (high << 8) | low;
  if (code === undefined || id === undefined || length < HEADER_BYTES || length > bytes.length) return undefined;
  return { code, id, body: bytes.subarray(HEADER_BYTES, length) };
}

/** Throws RangeError for a body that no length field can tell. */
export function encodeControlPacket(code: number, id: number, body: Uint8Array): Uint8Array {
  const length = HEADER_BYTES + body.length;
  if (length > LONGEST_PACKET) throw new RangeError(`a control packet has at most ${LONGEST_PACKET} bytes`);
  const packet = new Uint8Array(length);
  packet[0] = code;
  packet[1] = id;
  packet[2] = length >>> 8;
  packet[3] = length;
  packet.set(body, HEADER_BYTES);
  return packet;
}

/** The options of a Configure packet's body in their order; undefined where one is longer than what is left, or shorter than its head. */
export function decodeOptions(body: Uint8Array): ConfigOption[] | undefined {
  const options: ConfigOption[] = [];
  for (let at = 0; at < body.length; ) {
    const type = body[at];
    const length = body[at + 1];
    if (type === undefined || length === undefined) return undefined;
    if (length < OPTION_HEADER_BYTES || at + length > body.length) return undefined;
    options.push({ type, data: body.subarray(at + OPTION_HEADER_BYTES, at + length) });
    at += length;
  }
  return options;
}

/** Throws RangeError for data that no length field can tell. */
export function encodeOptions(options: readonly ConfigOption[]): Uint8Array {
  const body = new Uint8Array(options.reduce((sum, { data }) => sum + OPTION_HEADER_BYTES + data.length, 0));
  let at = 0;
  for (const { type, data } of options) {
    const length = OPTION_HEADER_BYTES + data.length;
    if (length > LONGEST_OPTION) throw new RangeError(`an option has at most ${LONGEST_OPTION} bytes`);
    body[at] = type;
    body[at + 1] = length;
    body.set(data, at + OPTION_HEADER_BYTES);
    at += length;
  }
  return body;
}
