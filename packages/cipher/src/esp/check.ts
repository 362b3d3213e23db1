/** `sequence` and those after it must all be numbers that no packet had. Throws RangeError. */
export function checkSequences(sequence: number, count: number, esn: boolean): void {
  const most = esn ? Number.MAX_SAFE_INTEGER : 0xffff_ffff;
  if (!Number.isInteger(sequence) || sequence < 1 || sequence + count - 1 > most)
    throw new RangeError(`sequence numbers from ${sequence} on do not last for ${count} packets`);
}

export function checkNextHeader(nextHeader: number): void {
  if (!Number.isInteger(nextHeader) || nextHeader < 0 || nextHeader > 255)
    throw new RangeError(`${nextHeader} is no next header`);
}

/** Both ends of a direction count alike. Throws TypeError. */
export function checkWindow(replay: { readonly state: Uint32Array }, esn: boolean): void {
  if ((replay.state[3] === 1) !== esn) throw new TypeError('key and replay window differ in extended sequence numbers');
}
