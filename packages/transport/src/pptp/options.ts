/** What `listen` and `dial` of the pptp transport take. Durations are milliseconds. */
import type { Millis } from '@culvert/base';
import type { MppeStrength } from '@culvert/cipher';
import type { PppDialOptions, PppOptions } from '../ppp/options.ts';

export interface PptpListenAddress {
  /** An IPv4 address of this host. Undefined: every one. */
  readonly address: string | undefined;
  /** 1723 everywhere but in tests, which let the kernel choose with 0. */
  readonly port: number;
}

/** What both ends take. MPPE takes four bytes of the `mru`. */
interface PptpOptions extends PppOptions {
  /**
   * Allowed strengths of MPPE, the best first; without encryption there is no link. 56 and 40 bits are broken within hours.
   * @default [128]
   */
  readonly strengths?: readonly MppeStrength[];
  /**
   * Whether a key for 256 packets is allowed too, where the peer wants it: it is weaker, a lost packet costs those behind it, and it is
   * slow here. "preferred" asks for it, of peers that have nothing else and do not say so.
   * @default false
   */
  readonly stateful?: boolean | 'preferred';
  /** How long a frame waits for those before it, at most 300. @default 40 */
  readonly reorderWait?: Millis;
}

export interface PptpListenOptions extends PptpOptions {
  readonly listen: readonly PptpListenAddress[];
  /** Links at a time, handshakes included. @default 4,096 */
  readonly maxLinks?: number;
  /** Connections at a time that are not up yet, half of them from one source. @default 256 */
  readonly maxHandshakes?: number;
}

export interface PptpDialOptions extends PptpOptions, PppDialOptions {
  /** The address is an IPv4 address: names are resolved by the caller. */
  readonly remote: { readonly address: string; readonly port: number };
  /** The address of ours to call from. @default the kernel's choice */
  readonly localAddress?: string;
}
