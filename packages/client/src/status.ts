/** What `culvert status` tells of a tunnel: plain values, the same in JSON and for people. */
import type { LoadedProfile } from './profile-store.ts';
import type { TunnelState, TunnelStatus } from './tunnel.ts';

export interface TunnelDescription {
  readonly profile: string;
  readonly transport: string;
  readonly state: TunnelState;
  /** ISO 8601. */
  readonly since: string;
  readonly pid: number;
  readonly device: string;
  readonly server: {
    readonly host: string;
    readonly address: string;
    readonly port: number;
    readonly protocol: string;
  } | null;
  readonly addresses: readonly string[];
  readonly mtu: number | null;
  readonly routes: readonly string[];
  readonly redirect: { readonly ipv4: string; readonly ipv6: string };
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] };
  /** Inner packets and bytes of the present link, in: from the server. */
  readonly traffic: {
    readonly packetsIn: number;
    readonly bytesIn: number;
    readonly packetsOut: number;
    readonly bytesOut: number;
    /** Forged, repeated or for no key that we have; and for want of room. */
    readonly droppedIn: number;
    readonly droppedOut: number;
  } | null;
  /** Counters of the present link's UDP socket, by name. */
  readonly wire: Readonly<Record<string, number>>;
  /** What the two ends agreed on. */
  readonly facts: Readonly<Record<string, string>>;
  /** Links that there were, the present one included. */
  readonly links: number;
  readonly trouble: string | null;
}

export function describeTunnel(
  { name, profile }: LoadedProfile,
  device: string,
  status: TunnelStatus,
): TunnelDescription {
  const { config, link, server } = status;
  const stats = link?.stats;
  return {
    profile: name,
    transport: profile.kind,
    state: status.state,
    since: new Date(status.since).toISOString(),
    pid: process.pid,
    device,
    server: server ?? null,
    addresses: config?.addresses ?? [],
    mtu: config?.mtu ?? null,
    routes: config?.routes.map(({ network }) => network) ?? [],
    redirect: { ipv4: config?.redirect[4] ?? 'no', ipv6: config?.redirect[6] ?? 'no' },
    dns: config?.dns ?? { servers: [], search: [] },
    traffic:
      stats === undefined
        ? null
        : {
            packetsIn: stats.packetsIn,
            bytesIn: stats.bytesIn,
            packetsOut: stats.packetsOut,
            bytesOut: stats.bytesOut,
            droppedIn: stats.droppedIn,
            droppedOut: stats.droppedOut,
          },
    wire: link?.wire ?? {},
    facts: link?.facts ?? {},
    links: status.links,
    trouble: status.trouble ?? null,
  };
}
