/** Throws RangeError for lengths that do not fit each other: the caller's mistake. */
export function checkLengths(key: Uint8Array, tagged: Uint8Array, plain: Uint8Array): void {
  if (key.length !== 128) throw new RangeError(`a direction of a static key has 128 bytes, not ${key.length}`);
  if (tagged.length !== plain.length + 32)
    throw new RangeError(`${tagged.length} bytes with a tag are not ${plain.length} without`);
}
