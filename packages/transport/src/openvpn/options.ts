/** What `listen` and `dial` of the openvpn transport take. Durations are milliseconds. */
import type { Millis } from '@culvert/base';
import type { AeadName } from '@culvert/cipher';
import type { ClientWrap, ServerWrap } from '@culvert/openvpn';
import type { TlsContext } from '@culvert/tls';
import type { CipherImplementation } from './data-keys.ts';

export interface ListenAddress {
  /** An address of this host. Undefined: every address of both IP versions. */
  readonly address: string | undefined;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
}

/** Several listeners that share their UDP ports, each in a thread of its own. The kernel tells them apart (`steering.ts`). */
export interface ListenShard {
  /** Of this one, counted from 0, in the order in which they open their sockets. The first one also has the TCP ports. */
  readonly index: number;
  readonly count: number;
  /** How many links all of them have, in the first word of shared memory. */
  readonly links: Int32Array;
  /** Resolves when all are bound: what came before went where the kernel's choice was another, and is not looked at. */
  readonly bound: Promise<void>;
}

export interface OpenvpnListenOptions {
  readonly listen: readonly ListenAddress[];
  readonly tls: TlsContext;
  readonly wrap: ServerWrap;
  /** In our order of preference: the first one that the client knows is used. @default all three */
  readonly dataCiphers?: readonly AeadName[];
  /** @default 3,600,000 */
  readonly renegotiateAfter?: Millis;
  /** The whole key exchange must be done within. @default 60,000 */
  readonly handshakeWindow?: Millis;
  /** Data packets that may arrive out of order. @default 1,024 */
  readonly replayWindow?: number;
  /** The largest inner packet. @default 1,500 */
  readonly mtu?: number;
  /**
   * What the reader of links' packets takes joined: bits of cipher's `Join`. With 0 it gets single packets in plain batches,
   * else batches with virtio headers.
   * @default 0
   */
  readonly join?: number;
  /** Whether UDP sockets send and take datagrams in trains. @default where the kernel has it */
  readonly trains?: boolean;
  /** Which of cipher's two implementations protects packets. @default native where it loads */
  readonly cipherImplementation?: CipherImplementation;
  /** Links at a time, handshakes included. @default 4,096 */
  readonly maxLinks?: number;
  /** @default this listener has its ports for itself */
  readonly shard?: ListenShard | undefined;
  /** Handshakes at a time; further first packets are dropped and the peer tries again. @default 256 */
  readonly maxHandshakes?: number;
  /** First packets that are answered in ten seconds, in all. @default 1,000 */
  readonly maxInitialPackets?: number;
}

export interface OpenvpnDialOptions {
  /** The address is an IP address: names are resolved by the caller. */
  readonly remote: { readonly address: string; readonly port: number };
  readonly protocol: 'udp' | 'tcp';
  readonly tls: TlsContext;
  readonly wrap: ClientWrap;
  readonly dataCiphers?: readonly AeadName[];
  readonly username?: string;
  readonly password?: string;
  /** @default 60,000 */
  readonly handshakeWindow?: Millis;
  /** @default 3,600,000; 0 leaves it to the server */
  readonly renegotiateAfter?: Millis;
  /** @default 1,024 */
  readonly replayWindow?: number;
  /** The largest inner packet that we take. @default 1,500 */
  readonly mtu?: number;
  /** As in `OpenvpnListenOptions`. @default 0 */
  readonly join?: number;
  /** Whether UDP sockets send and take datagrams in trains. @default where the kernel has it */
  readonly trains?: boolean;
  /** Which of cipher's two implementations protects packets. @default native where it loads */
  readonly cipherImplementation?: CipherImplementation;
  /** Further lines of peer info (IV_*, UV_*). */
  readonly peerInfo?: ReadonlyMap<string, string>;
}
