/**
 * PPP over an asynchronous line: HDLC-like framing (RFC 1662, section 4 and appendix C).
 *
 *   | 7e | address ff | control 03 | protocol ... | payload ... | FCS 2, least significant byte first | 7e |
 *
 * Between the flags 7d, 7e and the control characters of the map are sent as 7d and the byte with its sixth bit turned. Bytes come from
 * strangers: a frame that is too long, too short or wrong is a number in `stats`.
 */

const FLAG = 0x7e;
const ESCAPE = 0x7d;
const TURN = 0x20;
const FCS_BYTES = 2;
const INITIAL_FCS = 0xffff;
/** The FCS over a frame and its own FCS (RFC 1662, appendix C.1). */
const GOOD_FCS = 0xf0b8;
/** Every control character escaped: until LCP says otherwise, and for LCP always. */
export const EVERY_CONTROL = 0xffff_ffff;

const fcsTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x8408 : value >>> 1;
  return value;
});

/** The 16-bit frame check sequence, going on from `fcs`; sent as its complement. */
export function fcs16(bytes: Uint8Array, fcs: number = INITIAL_FCS): number {
  for (const byte of bytes) fcs = (fcs >>> 8) ^ (fcsTable[(fcs ^ byte) & 0xff] ?? 0);
  return fcs;
}

/** @param asyncMap bit n set: the character n is escaped (RFC 1662, section 7.1) */
export function encodeHdlc(frame: Uint8Array, asyncMap: number = EVERY_CONTROL): Uint8Array {
  const fcs = ~fcs16(frame) & 0xffff;
  const out = new Uint8Array(2 + 2 * (frame.length + FCS_BYTES));
  let at = 0;
  out[at++] = FLAG;
  const put = (byte: number): void => {
    const isMapped = byte < 0x20 && ((asyncMap >>> byte) & 1) === 1;
    if (isMapped || byte === FLAG || byte === ESCAPE) {
      out[at++] = ESCAPE;
      byte ^= TURN;
    }
    out[at++] = byte;
  };
  for (const byte of frame) put(byte);
  put(fcs & 0xff);
  put(fcs >>> 8);
  out[at++] = FLAG;
  return out.slice(0, at);
}

export class HdlcDecoder {
  readonly stats = { frames: 0, wrong: 0, tooLong: 0, aborted: 0 };
  /** Control characters that the line may insert: those that did not come escaped are dropped. */
  receiveMap = 0;
  readonly #buffer: Uint8Array;
  #length = 0;
  #escaped = false;
  /** Until the next flag nothing counts. */
  #lost = true;

  /** @param longest the longest frame, in bytes without flags and FCS. */
  constructor(longest: number) {
    this.#buffer = new Uint8Array(longest + FCS_BYTES);
  }

  /** The whole frames that `bytes` complete, in order; each is a copy. What is begun waits for more, within the bound. */
  push(bytes: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (const byte of bytes) {
      if (byte === FLAG) {
        const frame = this.#end();
        if (frame !== undefined) frames.push(frame);
      } else if (!this.#lost) this.#take(byte);
    }
    return frames;
  }

  #take(byte: number): void {
    if (byte < 0x20 && ((this.receiveMap >>> byte) & 1) === 1) return;
    if (byte === ESCAPE) {
      this.#escaped = true;
      return;
    }
    if (this.#length === this.#buffer.length) {
      this.stats.tooLong++;
      this.#lost = true;
      return;
    }
    this.#buffer[this.#length++] = this.#escaped ? byte ^ TURN : byte;
    this.#escaped = false;
  }

  #end(): Uint8Array | undefined {
    const length = this.#length;
    const aborted = this.#escaped;
    const lost = this.#lost;
    this.#length = 0;
    this.#escaped = false;
    this.#lost = false;
    if (lost || (length === 0 && !aborted)) return undefined;
    if (aborted) {
      this.stats.aborted++;
      return undefined;
    }
    const frame = this.#buffer.subarray(0, length);
    if (length <= FCS_BYTES || fcs16(frame) !== GOOD_FCS) {
      this.stats.wrong++;
      return undefined;
    }
    this.stats.frames++;
    return frame.slice(0, length - FCS_BYTES);
  }
}
