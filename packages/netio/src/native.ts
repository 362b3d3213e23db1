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
  canSegment(fd: number): number;
  setCoalescing(fd: number, on: number): number;
  setSteering(fd: number, program: Uint32Array): number;
  takeError(fd: number): number;
  receiveBatch(
    fd: number,
    arena: Uint8Array,
    offsets: Uint32Array,
    lengths: Uint32Array,
    paths: Uint32Array,
    runs: Uint32Array,
    count: number,
    used: number,
    slotBytes: number,
    report: Uint32Array,
    spill: Uint8Array,
    spillState: Uint32Array,
    headers: number,
  ): number;
  sendBatch(
    fd: number,
    version: number,
    arena: Uint8Array,
    offsets: Uint32Array,
    lengths: Uint32Array,
    paths: Uint32Array,
    from: number,
    count: number,
    report: Uint32Array,
    segmentation: Uint32Array,
  ): number;
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
