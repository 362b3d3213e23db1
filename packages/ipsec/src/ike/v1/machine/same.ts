/** When two things are the same. */
import { hash, timingSafeEqual } from 'node:crypto';
import type { Path } from '@culvert/base';

/** In constant time. */
export function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

export function sameRemote(a: Path, b: Path): boolean {
  return a.remote.address === b.remote.address && a.remote.port === b.remote.port;
}

export function samePath(a: Path, b: Path): boolean {
  return (
    sameRemote(a, b) && a.socket === b.socket && a.local.port === b.local.port && a.local.address === b.local.address
  );
}

/** Tells a repeated message from a new one. */
export function digestOf(datagram: Uint8Array): string {
  return hash('sha256', datagram, 'base64');
}
