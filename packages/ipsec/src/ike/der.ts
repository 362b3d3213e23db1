/** As much of DER (X.690) as it takes to hand keys to node:crypto. */

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
