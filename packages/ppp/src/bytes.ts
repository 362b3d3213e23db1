/** Small things that several files do with bytes. */

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The first four bytes at most, big-endian. */
export function number(data: Uint8Array): number {
  return data.subarray(0, 4).reduce((value, byte) => value * 256 + byte, 0);
}

/** Four bytes, big-endian. */
export function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

export function hex(data: Uint8Array): string {
  return data.reduce((text, byte) => text + byte.toString(16).padStart(2, '0'), '');
}
