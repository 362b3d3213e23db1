/**
 * What the main thread and a packet thread say to each other. Nothing else is shared but the rings of packets (@culvert/transport) and one
 * count of links.
 *
 *   main thread                          packet thread
 *     (workerData: ThreadSetup)    ->
 *     open                         ->                  one thread after the other: the first makes the device
 *                                  <-    opened        its queue of the device
 *     listen                       ->                  one thread after the other, so that sockets have the order of the threads
 *                                  <-    listening
 *     bound                        ->                  to all: datagrams go right from here on
 *                                  <-    claim         who may come in?
 *     answer                       ->
 *                                  <-    up            the link is configured
 *     carry, elsewhere             ->                  its addresses are free: packets flow; the other threads hand over theirs
 *                                  <-    release       the link, or what would have been one, is over
 *     gone                         ->                  to the others
 *     stop                         ->
 *                                  <-    stopped
 */
import type { CloseReason, LogFields, Path } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import type {
  Admitted,
  Challenge,
  Claim,
  FilterPolicy,
  LinkConfig,
  LinkStats,
  ListeningEndpoint,
  Refused,
  TransportEvent,
} from '@culvert/core';
import type { Neighbour, OpenvpnListenOptions } from '@culvert/transport';

/** Which configuration of TLS, and the texts of its files by path: a packet thread opens no file. */
export interface TlsSetup {
  readonly config: Pick<GatewayConfig, 'tls' | 'auth'>;
  readonly files: Readonly<Record<string, string>>;
}

export interface ThreadSetup {
  readonly index: number;
  readonly count: number;
  readonly config: Pick<GatewayConfig, 'network' | 'clientIsolation' | 'filter'>;
  readonly logLevel: GatewayConfig['log']['level'];
  /** A descriptor of /dev/net/tun for its queue; undefined: it opens one. */
  readonly tunFd: number | undefined;
  readonly openvpn: Omit<OpenvpnListenOptions, 'tls' | 'join' | 'shard'>;
  readonly tls: TlsSetup;
  readonly neighbours: readonly Neighbour[];
  /** The count of links, in its first word. */
  readonly links: SharedArrayBuffer;
}

export type Answer = Omit<Admitted, 'release'> | Challenge | Refused;

export type Order =
  | { readonly kind: 'open' }
  | { readonly kind: 'listen' }
  | { readonly kind: 'bound' }
  | { readonly kind: 'answer'; readonly claim: number; readonly answer: Answer }
  | { readonly kind: 'carry'; readonly link: number }
  | { readonly kind: 'elsewhere'; readonly link: ElsewhereSetup }
  | { readonly kind: 'gone'; readonly link: number }
  | { readonly kind: 'close'; readonly link: number; readonly why: CloseReason }
  | { readonly kind: 'filter'; readonly policy: FilterPolicy }
  | { readonly kind: 'tls'; readonly setup: TlsSetup }
  | { readonly kind: 'crl'; readonly pem: string }
  | { readonly kind: 'count' }
  | { readonly kind: 'stop'; readonly why: CloseReason };

/** A link of another thread. */
export interface ElsewhereSetup {
  readonly id: number;
  readonly thread: number;
  readonly user: string;
  readonly config: LinkConfig;
}

export type Report =
  | { readonly kind: 'opened'; readonly device: string }
  | { readonly kind: 'listening'; readonly endpoints: readonly ListeningEndpoint[] }
  /** It could not do what it was told: it opened nothing. */
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** Its device is gone. The sessions are not, and can say goodbye. */
  | { readonly kind: 'device-gone'; readonly failure: Failure }
  /** With a link's number: may it go on? */
  | { readonly kind: 'claim'; readonly id: number; readonly claim: Claim; readonly link: number | undefined }
  /** Nobody waits for the answer any longer; it comes all the same. */
  | { readonly kind: 'abort'; readonly claim: number }
  | { readonly kind: 'up'; readonly claim: number; readonly link: LinkState }
  /** The transport's `release`: once for each claim that was admitted. */
  | {
      readonly kind: 'release';
      readonly claim: number;
      readonly why: CloseReason;
      readonly last: LinkState | undefined;
    }
  | { readonly kind: 'event'; readonly event: TransportEvent }
  | {
      readonly kind: 'log';
      readonly level: ThreadSetup['logLevel'];
      readonly message: string;
      readonly fields: LogFields;
    }
  /** Something of TLS that an operator should look at. */
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'counts'; readonly counts: Counts }
  | { readonly kind: 'stopped' };

/** A link, as its thread sees it now. */
export interface LinkState {
  readonly id: number;
  readonly transport: string;
  readonly path: Path;
  readonly stats: Readonly<LinkStats>;
  readonly facts: Readonly<Record<string, string>>;
  /** By cause. */
  readonly dropped: Readonly<Record<string, number>>;
}

export interface Counts {
  readonly listener: Readonly<Record<string, number>>;
  readonly dropped: Readonly<Record<string, number>>;
  readonly device: Readonly<Record<string, number>>;
  readonly links: readonly LinkState[];
}

/** An error without its class, which does not cross threads. */
export interface Failure {
  readonly message: string;
  readonly code: string | undefined;
  readonly exitCode: number | undefined;
  readonly cause: string | undefined;
}

export function failureOf(error: unknown): Failure {
  const { message, code, exitCode, cause } = error as Error & { readonly code?: string; readonly exitCode?: number };
  return { message, code, exitCode, cause: cause instanceof Error ? cause.message : undefined };
}

export function errorOf({ message, code, exitCode, cause }: Failure): Error {
  const error = new Error(message, cause === undefined ? {} : { cause: new Error(cause) });
  return Object.assign(error, code !== undefined && { code }, exitCode !== undefined && { exitCode });
}
