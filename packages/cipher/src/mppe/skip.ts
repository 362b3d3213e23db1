/** What `MppeKey.skip` takes at most: some 30 ms with native code. */
export const mostSkipped = 65_536;

/** Throws RangeError for what it does not take. */
export function checkSkip(count: number): void {
  if (!Number.isInteger(count) || count < 0 || count > mostSkipped) {
    throw new RangeError(`a key skips 0 to ${mostSkipped} packets, not ${count}`);
  }
}
