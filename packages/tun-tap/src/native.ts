import { createRequire } from 'node:module';
import { TunError } from './errors.ts';

/** What native/functions.h gives. A number below zero is -errno. Wrong arguments throw TypeError or RangeError. */
interface Native {
  openClone(): number;
  adopt(fd: number): number;
  release(fd: number): void;
  attach(fd: number, name: string, flags: number): number;
  nameOf(fd: number): string | number;
  flagsOf(fd: number): number;
  setPersist(fd: number, persist: number): number;
  setOffload(fd: number, bits: number): number;
  setHeaderSize(fd: number, bytes: number): number;
  getMtu(fd: number): number;
  setMtu(fd: number, mtu: number): number;
  setUp(fd: number, up: number): number;
  /** The arrays that reading (way 0) or writing (1) uses from here on. To be called anew before one of them is detached or shrinks. */
  bind(
    fd: number,
    way: number,
    arena: Uint8Array,
    none: undefined,
    offsets: Uint32Array,
    lengths: Uint32Array,
    report: Uint32Array,
  ): void;
  readBatch(fd: number, count: number, used: number, maxPacket: number, headers: number, most: number): number;
  writeBatch(fd: number, count: number, headers: number): number;
  watch(fd: number, events: number, callback: ((status: number, events: number) => void) | undefined): number;
  close(fd: number): void;
}

export const native = load();

function load(): Native {
  try {
    return createRequire(import.meta.url)('../build/tun-tap.node') as Native;
  } catch (cause) {
    throw new TunError('CULVERT_TUN_NATIVE', (cause as Error).message, { cause });
  }
}
