/**
 * Paths as words: where a datagram came in and whence, without an object for each.
 *
 *   word 0..3   remote address in network order (IPv4 in the first four bytes, the rest zero)
 *   word 4..7   local address, likewise; all zero: the kernel chooses
 *   word 8      remote port, a number
 *   word 9      IP version (4 or 6) in the upper four bits; below it the interface index, 0 for any
 *
 * The index is set for link-local peers, who mean nothing without it. The local port is the socket's.
 */
import type { Endpoint } from '@culvert/base';
import { NetioError } from './errors.ts';
import { native } from './native.ts';

/** Uint32 words of a path record. */
export const pathWords = 10;

const LOCAL = 4;
const PORT = 8;
const INTERFACE = 9;
const interfaceMask = 0x0fff_ffff;

export type IpVersion = 4 | 6;

/** The record's addresses as text: IPv6 as RFC 5952 has it, with `%index` for a link-local one. A local address of zeros is unspecified. */
export function endpointOfPath(words: Uint32Array, at = 0): { readonly local: string; readonly remote: Endpoint } {
  const last = words[at + INTERFACE];
  if (last === undefined) throw new RangeError(`no path record at word ${at}`);
  const version = last >>> 28 === 6 ? 6 : 4;
  const index = last & interfaceMask;
  return {
    local: textAt(version, words, at + LOCAL, index),
    remote: { address: textAt(version, words, at, index), port: words[at + PORT] ?? 0 },
  };
}

/** A path to `remote`, from `local` or (without it) from the address that the kernel chooses. Throws NetioError CULVERT_NETIO_ADDRESS. */
export function encodePath(
  path: { readonly local?: string | undefined; readonly remote: Endpoint },
  family: IpVersion,
): Uint32Array {
  const { port } = path.remote;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError(`port ${port} is out of range`);
  const words = new Uint32Array(pathWords);
  const remote = parseAddress(path.remote.address, family);
  words.set(remote.subarray(0, 4), 0);
  let index = remote[4] ?? 0;
  if (path.local !== undefined) {
    const local = parseAddress(path.local, family);
    words.set(local.subarray(0, 4), LOCAL);
    index ||= local[4] ?? 0;
  }
  words[PORT] = port;
  words[INTERFACE] = ((family << 28) | (index & interfaceMask)) >>> 0;
  return words;
}

/** Whether two records name the same path. */
export function samePath(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): boolean {
  for (let i = 0; i < pathWords; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

/** Where the socket is bound. The port of a raw socket is its protocol. */
export function localOf(fd: number, family: IpVersion): Endpoint {
  const words = new Uint32Array(6);
  native.localOf(fd, words);
  return { address: native.formatAddress(family, words, 0, words[4] ?? 0), port: words[5] ?? 0 };
}

/** Words 0..3: the address; word 4: the interface index of its zone. */
export function parseAddress(text: string, family: IpVersion): Uint32Array {
  const words = new Uint32Array(5);
  // Longer than any address with a zone; the native side has a buffer of 128.
  if (text.length > 100 || text.includes('\u0000') || native.parseAddress(text, words) !== family) {
    throw new NetioError('CULVERT_NETIO_ADDRESS', `${JSON.stringify(text.slice(0, 100))} is no IPv${family} address`);
  }
  return words;
}

function textAt(version: IpVersion, words: Uint32Array, at: number, index: number): string {
  // Either end of fe80::/10. The words hold the bytes in network order, whatever this machine's own is.
  const bytes = new Uint8Array(words.buffer, words.byteOffset + at * 4, 2);
  const linkLocal = version === 6 && bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
  return native.formatAddress(version, words, at, linkLocal ? index : 0);
}
