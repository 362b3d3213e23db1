/** Runs in what a socket read: datagrams of one peer that came on one path. Data is opened in one call, control packets are acknowledged together. */
import { type DatagramBatch, pathWords, samePath } from '@culvert/netio';
import { isData, Opcode, peekPeerId, SESSION_ID_BYTES } from '@culvert/openvpn';

/** What DATA_V1 and the peer id "none" have for a peer id: the path alone tells whose they are. */
export const NO_PEER_ID = 0xff_ffff;
/** What control datagrams have for one, and empty slots. */
export const NO_DATA = -1;

/** The peer id of data datagram `i`; NO_PEER_ID or NO_DATA where there is none. */
export function peerIdAt(batch: Readonly<DatagramBatch>, i: number): number {
  const at = batch.offsets[i] ?? 0;
  const length = batch.lengths[i] ?? 0;
  if (length === 0 || !isData(batch.arena[at] ?? 0)) return NO_DATA;
  return peekPeerId(batch.arena, at, length) ?? NO_PEER_ID;
}

/**
 * Where the run ends that starts with data datagram `first`, which has this peer id. Paths are compared where the kernel's trains
 * meet alone: they are ten words each.
 */
export function endOfRun(batch: Readonly<DatagramBatch>, first: number, peerId: number): number {
  const { count, paths, runs } = batch;
  let known = first + (runs[first] ?? 0);
  let end = first + 1;
  for (; end < count && peerIdAt(batch, end) === peerId; end++) {
    if (end < known) continue;
    if (!samePath(paths, first * pathWords, paths, end * pathWords)) break;
    known = end + (runs[end] ?? 0);
  }
  return end;
}

/** Whether the datagram behind control datagram `i` is of the same session and path. A client's reset is a stranger's, whatever session it names. */
export function controlFollows(batch: Readonly<DatagramBatch>, i: number): boolean {
  const { arena, count, lengths, offsets, paths } = batch;
  const next = i + 1;
  const least = 1 + SESSION_ID_BYTES;
  if (next >= count || (lengths[i] ?? 0) < least || (lengths[next] ?? 0) < least) return false;
  if (peerIdAt(batch, next) !== NO_DATA) return false;
  const at = offsets[i] ?? 0;
  const nextAt = offsets[next] ?? 0;
  const opcode = (arena[nextAt] ?? 0) >>> 3;
  if (opcode === Opcode.hardResetClientV2 || opcode === Opcode.hardResetClientV3) return false;
  for (let byte = 1; byte < least; byte++) if (arena[at + byte] !== arena[nextAt + byte]) return false;
  return samePath(paths, i * pathWords, paths, next * pathWords);
}
