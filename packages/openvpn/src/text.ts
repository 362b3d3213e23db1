/** Text of peers: decoded leniently, and made harmless before people or logs see it. */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8');

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** `text` without control characters and at most `longest` characters. */
export function sanitize(text: string, longest = 256): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim();
  return clean.length <= longest ? clean : `${clean.slice(0, longest)}…`;
}
