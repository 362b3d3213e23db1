import type { PacketBatch } from '@culvert/base';
import { checkJoin, checkKinds, checkRange, checkReport } from '../check.ts';
import { EspReport } from './report.ts';

/** `sequence` and those after it must all be numbers that no packet had. Throws RangeError. */
export function checkSequences(sequence: number, count: number, esn: boolean): void {
  const most = esn ? Number.MAX_SAFE_INTEGER : 0xffff_ffff;
  if (!Number.isInteger(sequence) || sequence < 1 || sequence + count - 1 > most)
    throw new RangeError(`sequence numbers from ${sequence} on do not last for ${count} packets`);
}

export function checkNextHeader(nextHeader: number, most = 255): void {
  if (!Number.isInteger(nextHeader) || nextHeader < 0 || nextHeader > most)
    throw new RangeError(`${nextHeader} is no next header`);
}

/** Both ends of a direction count alike. Throws TypeError. */
export function checkWindow(replay: { readonly state: Uint32Array }, esn: boolean): void {
  if ((replay.state[3] === 1) !== esn) throw new TypeError('key and replay window differ in extended sequence numbers');
}

/** What `openFramed` asks of its batches beyond what `open` asks. Throws RangeError or TypeError. */
export function checkFramed(
  src: PacketBatch,
  first: number,
  count: number,
  dst: PacketBatch,
  others: PacketBatch,
  report: Uint32Array,
  join: number,
): void {
  checkRange(src, first, count, dst);
  checkRange(src, first, count, others);
  checkKinds(src, dst, { src: false });
  checkKinds(src, others, { dst: false });
  if (dst.arena.buffer === others.arena.buffer) throw new TypeError('the two destinations share one arena');
  checkReport(report, EspReport.words);
  checkJoin(join);
}

/** The protocol number of an IP packet in another; undefined: it is none. */
export function innerProtocol(packet: Uint8Array): 4 | 41 | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20) return 4;
  return version === 6 && packet.length >= 40 ? 41 : undefined;
}
