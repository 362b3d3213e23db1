import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import { NetioError } from './errors.ts';

/** What native/functions.h gives. A number below zero is -errno. Wrong arguments throw TypeError or RangeError. */
interface Native {
  parseAddress(text: string, words: Uint32Array): number;
  formatAddress(version: number, words: Uint32Array, at: number, scope: number): string;
  openUdp(
    version: number,
    address: Uint32Array,
    port: number,
    reusePort: number,
    pathMtu: number,
    device: string,
  ): number;
  openRawIp(version: number, address: Uint32Array, protocol: number, pathMtu: number, device: string): number;
  localOf(fd: number, words: Uint32Array): number;
  setBuffer(fd: number, receive: number, bytes: number): number;
  getBuffer(fd: number, receive: number): number;
  getQueued(fd: number): number;
  prepareTrains(fd: number): number;
  setCoalescing(fd: number, on: number): number;
  setSteering(fd: number, program: Uint32Array): number;
  takeError(fd: number): number;
  pathMtu(fd: number, version: number, path: Uint32Array): number;
  /** Of the calling thread. 1 if the scheduler took it, 0 where it knows none. */
  setTimeSlice(nanoseconds: number): number;
  trimMemory(): number;
  /**
   * The arrays that receiving (way 0) or sending (1) uses from here on. To be called anew before one of them is detached or shrinks.
   *
   * @param words receiving: offsets, lengths, paths, runs, report, state of the spill; sending: offsets, lengths, paths, report, segmentation
   */
  bind(fd: number, way: number, arena: Uint8Array, spill: Uint8Array | undefined, ...words: Uint32Array[]): void;
  receiveBatch(fd: number, count: number, used: number, slotBytes: number, headers: number): number;
  sendBatch(fd: number, version: number, from: number, count: number): number;
  sendOne(fd: number, version: number, bytes: Uint8Array, path: Uint32Array, report: Uint32Array): number;
  watch(fd: number, events: number, callback: ((status: number, events: number) => void) | undefined): number;
  close(fd: number): void;
}

export const native = load();

/** The system's error for -errno, to stand as `cause`. */
export function systemError(returned: number): Error {
  const code = getSystemErrorName(returned);
  return Object.assign(new Error(code), { errno: returned, code });
}

function load(): Native {
  try {
    return createRequire(import.meta.url)('../build/netio.node') as Native;
  } catch (cause) {
    throw new NetioError('CULVERT_NETIO_NATIVE', (cause as Error).message, { cause });
  }
}
