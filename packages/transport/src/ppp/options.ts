/** What every transport that carries PPP takes. Durations are milliseconds. */
import type { Millis } from '@culvert/base';

/** Both ends. */
export interface PppOptions {
  /** The largest packet that we take, in bytes: what Windows asks for too. @default 1,400 */
  readonly mru?: number;
  /** A question goes out after `interval` of silence, and the peer is gone after `timeout` of it. @default 30,000 and 120,000 */
  readonly keepalive?: { readonly interval: Millis; readonly timeout: Millis };
  /** From the connection to the link. @default 30,000 */
  readonly handshakeWindow?: Millis;
  /**
   * What the reader of links' packets takes joined: bits of cipher's `Join`. With 0 it gets single packets in plain batches,
   * else batches with virtio headers.
   * @default 0
   */
  readonly join?: number;
  /** Which of cipher's two implementations protects packets. @default native where it loads */
  readonly cipherImplementation?: 'native' | 'portable';
}

/** A client. */
export interface PppDialOptions extends PppOptions {
  readonly username: string;
  readonly password: string;
  /** Ask for addresses of that version. @default true */
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  /** PPP tells no routes: what is to be reached through the tunnel. @default none */
  readonly routes?: readonly string[];
  readonly redirect?: { readonly ipv4: boolean; readonly ipv6: boolean };
}
