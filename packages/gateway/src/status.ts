/** What `culvertd status` and `culvertd session list` tell, as plain JSON. */
import type { InnerAddress, Link, ListeningEndpoint } from '@culvert/core';
import { parseNetwork } from '@culvert/wire';
import type { Refusal } from './refusals.ts';
import type { Session } from './sessions.ts';

export interface SessionStatus {
  /** The session's number, for `culvertd session kill`. */
  readonly id: number;
  /** The link's number in the log. */
  readonly link: number | undefined;
  readonly user: string;
  readonly groups: readonly string[];
  readonly proofs: readonly string[];
  readonly state: 'connecting' | 'up' | 'ending';
  readonly transport: string;
  readonly remote: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly networksBehind: readonly string[];
  readonly seconds: number | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Datagrams that the transport dropped: failed authentication, replays, more than its share of what came. */
  readonly droppedIn: number;
  /** Packets that it could not send. */
  readonly droppedOut: number;
  /** By cause: what the filter and the inner source check dropped. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly facts: Readonly<Record<string, string>>;
  /** What happened below the link, by name, as its transport counts it. */
  readonly wire: Readonly<Record<string, number>>;
}

export interface GatewayStatus {
  readonly version: string;
  readonly pid: number;
  readonly since: string;
  readonly device: string;
  /** What the device lost, by cause. */
  readonly deviceStats: Readonly<Record<string, number>>;
  readonly network: { readonly ipv4: string | undefined; readonly ipv6: string | undefined; readonly mode: string };
  readonly listeners: readonly {
    readonly transport: string;
    /** `udp 0.0.0.0:1194` */
    readonly endpoints: readonly string[];
    readonly stats: Readonly<Record<string, number>>;
  }[];
  readonly sessions: readonly SessionStatus[];
  /** Packets that belonged to no link, by cause. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Who did not get in, the latest last. */
  readonly refusals: readonly Refusal[];
  /** What an operator should look at. */
  readonly warnings: readonly string[];
}

/** `dropped`: of its packets, by cause. `now` is the monotonic clock's. */
export function sessionStatus(
  session: Session,
  dropped: Readonly<Record<string, number>> | undefined,
  now: number,
): SessionStatus {
  const { principal, link } = session;
  const config = link?.config ?? session.config;
  const state = session.ending !== undefined ? 'ending' : link === undefined ? 'connecting' : 'up';
  return {
    id: session.id,
    link: link?.id,
    user: principal.user,
    groups: principal.groups,
    proofs: principal.proofs,
    state,
    transport: session.transport,
    remote: formatEndpoint(link?.path.remote ?? session.remote),
    ipv4: config.ipv4?.address,
    ipv6: config.ipv6 && addressText(config.ipv6),
    networksBehind: config.networksBehind,
    seconds: link && Math.round((now - link.since) / 1000),
    bytesIn: link?.stats.bytesIn ?? 0,
    bytesOut: link?.stats.bytesOut ?? 0,
    droppedIn: link?.stats.droppedIn ?? 0,
    droppedOut: link?.stats.droppedOut ?? 0,
    dropped: nonZero(dropped ?? {}),
    facts: link?.facts ?? {},
    wire: nonZero(link?.wire ?? {}),
  };
}

/** The fields of a session's lines in the log. */
export function sessionFields(link: Link): Readonly<Record<string, unknown>> {
  return {
    link: link.id,
    user: link.principal.user,
    transport: link.transport,
    remote: formatEndpoint(link.path.remote),
    ipv4: link.config.ipv4?.address,
    ipv6: link.config.ipv6 && addressText(link.config.ipv6),
  };
}

/** `fd88::2`; `fd88:0:0:5::2/64` where all of that network is the link's. */
function addressText({ address, ownNetwork }: InnerAddress): string {
  return ownNetwork === undefined ? address : `${address}/${parseNetwork(ownNetwork).prefix}`;
}

/** `udp [::]:1194` */
export function formatListening(endpoint: ListeningEndpoint): string {
  return [endpoint.protocol, formatEndpoint(endpoint)].filter((part) => part !== undefined).join(' ');
}

/** `192.0.2.1:1194`, `[2001:db8::1]:1194`. */
export function formatEndpoint({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}
