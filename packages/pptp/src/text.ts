/** The texts of control messages: fields of fixed size, Latin letters by custom, hostile by origin. */
import type { Reader, Writer } from '@culvert/wire';

const decoder = new TextDecoder('latin1');
const CONTROL_CHARACTERS = /\p{Cc}+/gu;

/**
 * The text in the next `size` bytes, or in what is left where that is less: up to the first NUL, or to `length`. Control characters
 * become spaces, so that it is safe in a log.
 */
export function readText(r: Reader, size: number, length = size): string {
  const field = r.bytes(Math.min(size, r.remaining), 'text').subarray(0, length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end)).replace(CONTROL_CHARACTERS, ' ');
}

/** Throws RangeError for a text that does not fit. */
export function writeText(w: Writer, text: string, size: number): void {
  if (text.length > size) throw new RangeError(`${JSON.stringify(text)} is longer than ${size} bytes`);
  const field = new Uint8Array(size);
  for (let i = 0; i < text.length; i++) field[i] = text.charCodeAt(i);
  w.bytes(field);
}
