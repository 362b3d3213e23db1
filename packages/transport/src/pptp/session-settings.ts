/** How the options of this transport become those of PPP. */

import type { LinkConfig } from '@culvert/core';
import type { MppeWish } from '@culvert/ppp';
import { systemRandom } from '../clock.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';

const DEFAULT_MRU = 1_400;
const DEFAULT_KEEPALIVE: LinkConfig['keepalive'] = { interval: 30_000, timeout: 120_000 };
const DEFAULT_HANDSHAKE_WINDOW = 30_000;

export function keepaliveOf({ keepalive }: PptpListenOptions | PptpDialOptions): LinkConfig['keepalive'] {
  return keepalive ?? DEFAULT_KEEPALIVE;
}

/** What both roles give to their PPP session. Encryption is not to be negotiated away, and never stateful. */
export function pppSettings(settings: PptpListenOptions | PptpDialOptions) {
  const { interval, timeout } = keepaliveOf(settings);
  const mppe: MppeWish = { need: 'required', strengths: settings.strengths ?? [128], stateful: false };
  return {
    random: systemRandom,
    mru: settings.mru ?? DEFAULT_MRU,
    mppe,
    echoInterval: interval,
    echoFailures: Math.max(1, Math.round(timeout / interval) - 1),
    handshakeWindow: settings.handshakeWindow ?? DEFAULT_HANDSHAKE_WINDOW,
  };
}

export function handshakeWindowOf({ handshakeWindow }: PptpListenOptions | PptpDialOptions): number {
  return handshakeWindow ?? DEFAULT_HANDSHAKE_WINDOW;
}
