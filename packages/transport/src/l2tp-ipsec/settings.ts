/** How the options of this transport become those of IKE. */
import type { IkeOptions } from '@culvert/ipsec';
import { keepaliveOf } from '../ppp/settings.ts';
import type { L2tpIpsecDialOptions, L2tpIpsecListenOptions } from './options.ts';

/** PPP's echoes come first, and their answers are heard as ESP: of a peer that answers them IKE asks nothing. */
const AFTER_ECHO = 1.5;
/** Questions whether a peer lives, before it is given up. */
const QUESTIONS = 5;

export function ikeSettings(settings: L2tpIpsecListenOptions | L2tpIpsecDialOptions) {
  const { weak, truncatedSha256, phase1, esp, forceEncapsulation = true, lifetimes } = settings;
  const { interval, timeout } = keepaliveOf(settings);
  const idle = Math.min(AFTER_ECHO * interval, timeout);
  return {
    algorithms: { weak, truncatedSha256, phase1, esp },
    forceEncapsulation,
    lifetimes,
    deadPeerDetection: { idle, interval: (timeout - idle) / QUESTIONS, questions: QUESTIONS },
  } satisfies Partial<IkeOptions>;
}
