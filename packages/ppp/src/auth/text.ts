/** Names and messages of peers: UTF-8 by custom, anything in fact. */

/** RFC 1994, section 4.1, has no bound; the longest name that we take, in bytes. */
const LONGEST_NAME = 256;
/** Of a message for people, in characters. */
const LONGEST_MESSAGE = 200;

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Undefined where the bytes are no name: too long, no UTF-8, or with control characters. */
export function decodeName(bytes: Uint8Array): string | undefined {
  const name = bytes.length > LONGEST_NAME ? undefined : decodeText(bytes);
  return name === undefined || /\p{Cc}/u.test(name) ? undefined : name;
}

/** Undefined where the bytes are no UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** What a peer says to people, made harmless for a log. */
export function decodeMessage(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 4 * LONGEST_MESSAGE));
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, LONGEST_MESSAGE);
}
