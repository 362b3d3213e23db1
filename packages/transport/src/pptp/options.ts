/** What `listen` and `dial` of the pptp transport take. Durations are milliseconds. */
import type { Millis } from '@culvert/base';
import type { MppeStrength } from '@culvert/cipher';

export interface PptpListenAddress {
  /** An IPv4 address of this host. Undefined: every one. */
  readonly address: string | undefined;
  /** 1723 everywhere but in tests, which let the kernel choose with 0. */
  readonly port: number;
}

/** What both ends take. */
interface PptpOptions {
  /**
   * Allowed strengths of MPPE, the best first; without encryption there is no link. 56 and 40 bits are broken within hours.
   * @default [128]
   */
  readonly strengths?: readonly MppeStrength[];
  /** The largest frame that we take, in bytes: what Windows asks for too. MPPE takes four bytes of it. @default 1,400 */
  readonly mru?: number;
  /** A question goes out after `interval` of silence, and the peer is gone after `timeout` of it. @default 30,000 and 120,000 */
  readonly keepalive?: { readonly interval: Millis; readonly timeout: Millis };
  /** From the connection to the link. @default 30,000 */
  readonly handshakeWindow?: Millis;
  /** How long a frame waits for those before it, at most 300. @default 40 */
  readonly reorderWait?: Millis;
  /**
   * What the reader of links' packets takes joined: bits of cipher's `Join`. With 0 it gets single packets in plain batches,
   * else batches with virtio headers.
   * @default 0
   */
  readonly join?: number;
  /** Which of cipher's two implementations protects packets. @default native where it loads */
  readonly cipherImplementation?: 'native' | 'portable';
}

export interface PptpListenOptions extends PptpOptions {
  readonly listen: readonly PptpListenAddress[];
  /** Links at a time, handshakes included. @default 4,096 */
  readonly maxLinks?: number;
  /** Connections at a time that are not up yet, half of them from one source. @default 256 */
  readonly maxHandshakes?: number;
}

export interface PptpDialOptions extends PptpOptions {
  /** The address is an IPv4 address: names are resolved by the caller. */
  readonly remote: { readonly address: string; readonly port: number };
  /** The address of ours to call from. @default the kernel's choice */
  readonly localAddress?: string;
  readonly username: string;
  readonly password: string;
  /** Ask for addresses of that version. @default true */
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  /** A PPTP server tells no routes: what is to be reached through the tunnel. @default none */
  readonly routes?: readonly string[];
  readonly redirect?: { readonly ipv4: boolean; readonly ipv6: boolean };
}
