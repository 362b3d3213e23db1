/** How options become those of a PPP session. */
import type { LinkConfig } from '@culvert/core';
import { systemRandom } from '../clock.ts';
import type { PppOptions } from './options.ts';

const DEFAULT_MRU = 1_400;
const DEFAULT_KEEPALIVE: LinkConfig['keepalive'] = { interval: 30_000, timeout: 120_000 };
const DEFAULT_HANDSHAKE_WINDOW = 30_000;

export function keepaliveOf({ keepalive }: PppOptions): LinkConfig['keepalive'] {
  return keepalive ?? DEFAULT_KEEPALIVE;
}

export function handshakeWindowOf({ handshakeWindow }: PppOptions): number {
  return handshakeWindow ?? DEFAULT_HANDSHAKE_WINDOW;
}

/** What both roles give to their session, encryption aside. */
export function sessionSettings(options: PppOptions) {
  const { interval, timeout } = keepaliveOf(options);
  return {
    random: systemRandom,
    mru: options.mru ?? DEFAULT_MRU,
    echoInterval: interval,
    echoFailures: Math.max(1, Math.round(timeout / interval) - 1),
    handshakeWindow: handshakeWindowOf(options),
  };
}
