/**
 * From what a server told, and what the profile wants beside it, to what this host is given. The server may be hostile: everything
 * is checked and bounded here, and what is refused is told in a sentence.
 */
import type { InnerAddress, LinkConfig } from '@culvert/core';
import { isDomain } from '@culvert/host';
import { contains, formatNetwork, type IpNetwork, parseAddress, parseNetwork } from '@culvert/wire';
import { ClientError } from './errors.ts';
import type { ProfileNetwork } from './profile.ts';

/** What the host is to be given. All values are checked. */
export interface TunnelConfig {
  /** With prefix. */
  readonly addresses: readonly string[];
  /** Bytes. */
  readonly mtu: number;
  /** Networks through the tunnel; the profile's may have a metric. */
  readonly routes: readonly { readonly network: string; readonly metric: number | undefined }[];
  /** Networks that stay outside of the tunnel. */
  readonly bypass: readonly string[];
  /** For each IP version: all of it through the tunnel, none of it anywhere, or as it is. */
  readonly redirect: Readonly<Record<4 | 6, 'tunnel' | 'block' | 'no'>>;
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] };
}

export interface ReadConfig {
  readonly config: TunnelConfig;
  /** What was refused or changed, in sentences. */
  readonly notes: readonly string[];
}

/** Far more than honest servers push; a thousand are one command. */
const MAX_ROUTES = 1024;
const MAX_SERVERS = 8;
const MAX_SEARCH = 32;
/** A network that a server may say we are in. Larger ones would be routes in disguise. */
const SHORTEST_PREFIX = { 4: 8, 6: 32 } as const;
/** IPv6 needs 1,280 (RFC 8200, section 5); IPv4 has worked with 576 since RFC 791. */
const LEAST_MTU = { 4: 576, 6: 1280 } as const;
/** What a link of IPv4 may be made for (RFC 791, section 3.2). */
const LEAST_LINK_MTU = 68;
const MOST_MTU = 9000;

/** Never the other end of a tunnel: this host, the link, groups. */
const reserved = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::/127', 'fe80::/10', 'ff00::/8'].map(
  parseNetwork,
);

/**
 * Throws ClientError CULVERT_CLIENT_PUSHED when what is left makes no tunnel.
 *
 * @param pushed what the profile takes of it
 * @param host what this host can do: without IPv6 its part is left out
 */
export function readPushedConfig(
  pushed: LinkConfig,
  profile: ProfileNetwork,
  host: { readonly ipv6: boolean },
): ReadConfig {
  const notes: string[] = [];
  const ipv4 = innerAddress(pushed.ipv4);
  const isTooSmall = profile.mtuIsLimit === true && pushed.mtu < LEAST_MTU[6];
  const ipv6 = host.ipv6 && !isTooSmall ? innerAddress(pushed.ipv6) : undefined;
  if (pushed.ipv6 !== undefined && !host.ipv6) notes.push('this host has no IPv6: the tunnel has none either');
  else if (pushed.ipv6 !== undefined && isTooSmall) notes.push(`an MTU of ${pushed.mtu} is too small for IPv6`);
  const addresses = [ipv4, ipv6].filter((address) => address !== undefined);
  if (addresses.length === 0) throw new ClientError('CULVERT_CLIENT_PUSHED', 'no address for this host');
  const has = { 4: ipv4 !== undefined, 6: ipv6 !== undefined };
  const routes = readRoutes(pushed, profile, has, notes);
  return {
    config: {
      addresses,
      mtu: readMtu(pushed.mtu, profile.mtuIsLimit === true ? LEAST_LINK_MTU : LEAST_MTU[has[6] ? 6 : 4], notes),
      routes: routes.inside,
      bypass: profile.routes.filter(({ gateway }) => gateway === 'net').map(({ network }) => network),
      redirect: readRedirect(pushed, profile, has, host.ipv6, routes.all),
      dns: readDns(pushed, profile, notes),
    },
    notes,
  };
}

function innerAddress(inner: InnerAddress | undefined): string | undefined {
  if (inner === undefined) return undefined;
  const address = parseAddress(inner.address);
  const { version } = address;
  if (reserved.some((network) => contains(network, address))) {
    throw new ClientError('CULVERT_CLIENT_PUSHED', `the address ${inner.address}, which is none for a tunnel`);
  }
  if (inner.prefix < SHORTEST_PREFIX[version] || inner.prefix > address.bytes.length * 8) {
    throw new ClientError(
      'CULVERT_CLIENT_PUSHED',
      `the address ${inner.address}/${inner.prefix}: that network is too large`,
    );
  }
  return `${inner.address}/${inner.prefix}`;
}

function readMtu(mtu: number, least: number, notes: string[]): number {
  const used = Math.min(MOST_MTU, Math.max(least, Math.trunc(mtu) || least));
  if (used !== mtu) notes.push(`the server told an MTU of ${mtu}; ${used} is used`);
  return used;
}

interface ReadRoutes {
  readonly inside: TunnelConfig['routes'];
  /** IP versions of which all was pushed as one route. */
  readonly all: ReadonlySet<4 | 6>;
}

function readRoutes(
  config: LinkConfig,
  profile: ProfileNetwork,
  has: Readonly<Record<4 | 6, boolean>>,
  notes: string[],
): ReadRoutes {
  const wanted = new Map<string, number | undefined>();
  const all = new Set<4 | 6>();
  const own = profile.routes.filter(({ gateway }) => gateway !== 'net');
  for (const { network, gateway } of own) {
    if (gateway !== undefined && gateway !== 'vpn')
      notes.push(`route ${network}: it goes into the tunnel, not to ${gateway}`);
  }
  const pushed = config.routes.map((network) => ({ network, metric: undefined }));
  for (const { network: text, metric } of [...own, ...pushed]) {
    const network = parseNetwork(text);
    if (!has[network.address.version]) continue;
    if (network.prefix === 0) all.add(network.address.version);
    else if (isReserved(network)) notes.push(`route ${text}: refused, it is no network behind a tunnel`);
    else wanted.set(formatNetwork(network), metric);
  }
  const inside = [...wanted].map(([network, metric]) => ({ network, metric }));
  if (inside.length > MAX_ROUTES) notes.push(`${inside.length} routes: only the first ${MAX_ROUTES} are used`);
  return { inside: inside.slice(0, MAX_ROUTES), all };
}

/** Whether a network lies in one that no tunnel leads to. Larger ones are fine: the kernel's own routes are more specific. */
function isReserved(network: IpNetwork): boolean {
  return reserved.some((other) => network.prefix >= other.prefix && contains(other, network.address));
}

/** A version that is to be redirected but has no address in the tunnel is blocked: it would leak past it. */
function readRedirect(
  config: LinkConfig,
  profile: ProfileNetwork,
  has: Readonly<Record<4 | 6, boolean>>,
  hostHasIpv6: boolean,
  all: ReadonlySet<4 | 6>,
): TunnelConfig['redirect'] {
  const wanted = (version: 4 | 6) => {
    const field = version === 4 ? 'ipv4' : 'ipv6';
    return config.redirect[field] || profile.redirect[field] || all.has(version);
  };
  const verdict = (version: 4 | 6) => (!wanted(version) ? 'no' : has[version] ? 'tunnel' : 'block');
  const ipv6 = profile.blockIpv6 ? 'block' : verdict(6);
  return { 4: verdict(4), 6: hostHasIpv6 ? ipv6 : 'no' };
}

function readDns(config: LinkConfig, profile: ProfileNetwork, notes: string[]): TunnelConfig['dns'] {
  const servers = new Set<string>();
  for (const server of [...profile.dns.servers, ...config.dns.servers]) {
    if (isServer(server)) servers.add(server);
    else notes.push(`name server ${JSON.stringify(server)}: refused, it is no address behind a tunnel`);
  }
  const search = new Set<string>();
  for (const domain of [...profile.dns.search, ...config.dns.search]) {
    if (isDomain(domain)) search.add(domain);
    else notes.push(`search domain ${JSON.stringify(domain)}: refused, it is no domain`);
  }
  return { servers: [...servers].slice(0, MAX_SERVERS), search: [...search].slice(0, MAX_SEARCH) };
}

function isServer(text: string): boolean {
  try {
    const address = parseAddress(text);
    return !reserved.some((network) => contains(network, address));
  } catch {
    return false;
  }
}
