/** As much of DER (X.690) as it takes to hand keys to node:crypto, and to find something in certificates. */
import { WireError } from '@culvert/wire';

/** Where an element begins, its content begins, and it ends. */
export interface Element {
  readonly tag: number;
  readonly at: number;
  readonly content: number;
  readonly end: number;
}

/** The element at `at`, which ends before `within` does. Throws WireError, also for lengths of BER that DER has not. */
export function elementAt(bytes: Uint8Array, at: number, within: number = bytes.length): Element {
  const first = bytes[at + 1] ?? 0x80;
  const lengthBytes = first < 0x80 ? 0 : first - 0x80;
  const content = at + 2 + lengthBytes;
  let length = first < 0x80 ? first : 0;
  for (let i = at + 2; i < content && i < bytes.length; i++) length = length * 256 + (bytes[i] ?? 0);
  if (first === 0x80 || lengthBytes > 3 || content + length > within)
    throw new WireError('CULVERT_WIRE_TRUNCATED', 'an element of DER ends behind what it is in');
  return { tag: bytes[at] ?? 0, at, content, end: content + length };
}

/** What is in `parent`, at most the first `most`. Throws WireError. */
export function elementsOf(bytes: Uint8Array, parent: Element, most: number): Element[] {
  const found: Element[] = [];
  for (let at = parent.content; at < parent.end && found.length < most; ) {
    const element = elementAt(bytes, at, parent.end);
    found.push(element);
    at = element.end;
  }
  return found;
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, ...parts);
}

export function objectIdentifier(...encoded: readonly number[]): Uint8Array {
  return element(0x06, Uint8Array.from(encoded));
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return element(0x04, bytes);
}

/** Of whole bytes. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return element(0x03, Uint8Array.of(0), bytes);
}

/** A number that is not negative, big-endian; zeros in front do not matter. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const value = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  return (value[0] ?? 0) < 0x80 ? element(0x02, value) : element(0x02, Uint8Array.of(0), value);
}

function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const prefix = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >>> 8, length & 0xff];
  const out = new Uint8Array(1 + prefix.length + length);
  out.set([tag, ...prefix]);
  let at = 1 + prefix.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
