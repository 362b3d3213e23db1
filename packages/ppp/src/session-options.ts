/** What a session does where its options say nothing. */
import type { Millis } from '@culvert/base';
import type { PppSessionOptions } from './face.ts';
import type { LcpOptions } from './lcp.ts';

const MRU = 1_400;
const ECHO_INTERVAL: Millis = 30_000;
const ECHO_FAILURES = 4;
const HANDSHAKE_WINDOW: Millis = 60_000;

export function lcpOptionsOf(options: PppSessionOptions): LcpOptions {
  const { role, auth, random } = options;
  return {
    random,
    mru: options.mru ?? MRU,
    compressFields: options.compressFields ?? true,
    asyncMap: options.asyncMap,
    require: role === 'server' ? auth : [],
    prove: role === 'client' ? auth : [],
    echoInterval: options.echoInterval ?? ECHO_INTERVAL,
    echoFailures: options.echoFailures ?? ECHO_FAILURES,
  };
}

/** From `open` to `up`. */
export function handshakeWindowOf({ handshakeWindow = HANDSHAKE_WINDOW }: PppSessionOptions): Millis {
  return handshakeWindow;
}
