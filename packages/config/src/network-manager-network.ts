/**
 * The groups `[ipv4]` and `[ipv6]` of a VPN connection of NetworkManager (nm-settings-keyfile(5)): what goes through the tunnel.
 *
 * What is printed is read back as it was.
 */
import { formatAddress, formatNetwork, networkOf, parseAddress } from '@culvert/wire';
import type { ConnectionReader } from './network-manager-reader.ts';
import type { ProfileRoute } from './openvpn-profile.ts';

/** What a VPN's server does not tell, or what is wanted in its place. */
export interface VpnNetwork {
  readonly routes: readonly ProfileRoute[];
  /** All traffic goes through the tunnel; that of IPv6 only together with IPv4's. */
  readonly redirect: { readonly ipv4: boolean; readonly ipv6: boolean };
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] };
  /** The server's name servers are not used. */
  readonly ignoreServersDns: boolean;
  /** The tunnel may have IPv6. */
  readonly ipv6: boolean;
}

const groups = ['ipv4', 'ipv6'] as const;

export function readVpnNetwork(from: ConnectionReader): VpnNetwork {
  const ipv6 = !/^(?:disabled|ignore)$/.test(from.text('ipv6', 'method') ?? '');
  const redirected = !from.isTrue('ipv4', 'never-default');
  return {
    routes: groups.flatMap((group) => readRoutes(from, group)),
    redirect: { ipv4: redirected, ipv6: redirected && ipv6 && !from.isTrue('ipv6', 'never-default') },
    dns: {
      servers: groups.flatMap((group) => readServers(from, group)),
      search: [...new Set(groups.flatMap((group) => readSearch(from, group)))],
    },
    ignoreServersDns: from.isTrue('ipv4', 'ignore-auto-dns'),
    ipv6,
  };
}

/** `route1=10.0.0.0/8,10.1.1.1,100`: a network, and after it a gateway and a metric; older files have `;` and `routes1`. */
function readRoutes(from: ConnectionReader, group: string): ProfileRoute[] {
  const keys = [...from.group(group).keys()].filter((key) => /^routes?\d*$/.test(key));
  return keys.flatMap((key) => {
    const [address = '', prefix = '', gateway, metric] = (from.text(group, key) ?? '').split(/[/;,]/);
    try {
      const destination = parseAddress(address);
      const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= destination.bytes.length * 8;
      if (!isPrefix || !/^\d{0,9}$/.test(metric ?? '')) throw new RangeError();
      const network = formatNetwork(networkOf(destination, Number(prefix)));
      return [{ network, gateway: canonicalGateway(gateway), metric: metric ? Number(metric) : undefined }];
    } catch {
      from.report(group, key, 'a route: 10.0.0.0/8,GATEWAY,METRIC, the latter two as needed');
      return [];
    }
  });
}

/** Undefined: none, for which files may have the address that means so. Throws WireError. */
function canonicalGateway(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const gateway = formatAddress(parseAddress(text));
  return /^(?:0\.0\.0\.0|::)$/.test(gateway) ? undefined : gateway;
}

function readServers(from: ConnectionReader, group: string): string[] {
  return listOf(from, group, 'dns').flatMap((text) => {
    try {
      return [formatAddress(parseAddress(text))];
    } catch {
      from.report(group, 'dns', 'addresses of name servers');
      return [];
    }
  });
}

/** `~example.com` is asked of these servers and completes no name, `~.` is everything; both follow from the routes here. */
function readSearch(from: ConnectionReader, group: string): string[] {
  return listOf(from, group, 'dns-search')
    .map((domain) => domain.replace(/^~/, ''))
    .filter((domain) => domain !== '' && domain !== '.');
}

function listOf(from: ConnectionReader, group: string, key: string): string[] {
  const items = (from.text(group, key) ?? '').split(/[;,]/);
  return items.map((item) => item.trim()).filter((item) => item !== '');
}

/** The groups, for printing. */
export function vpnNetworkGroups(network: VpnNetwork): Record<'ipv4' | 'ipv6', Record<string, string | undefined>> {
  const { redirect, dns, ipv6 } = network;
  const list = (items: readonly string[]) =>
    items.length === 0 ? undefined : items.map((item) => `${item};`).join('');
  const of = (version: 'ipv4' | 'ipv6') => (text: string) => text.includes(':') === (version === 'ipv6');
  const shared = (version: 'ipv4' | 'ipv6') => ({
    'never-default': redirect[version] ? undefined : 'true',
    dns: list(dns.servers.filter(of(version))),
    ...routeKeys(network.routes.filter((route) => of(version)(route.network))),
  });
  return {
    ipv4: {
      method: 'auto',
      'ignore-auto-dns': network.ignoreServersDns ? 'true' : undefined,
      'dns-search': list(dns.search),
      ...shared('ipv4'),
    },
    ipv6: { method: ipv6 ? 'auto' : 'disabled', ...shared('ipv6') },
  };
}

function routeKeys(routes: readonly ProfileRoute[]): Record<string, string> {
  const text = ({ network, gateway, metric }: ProfileRoute) => {
    const none = network.includes(':') ? '::' : '0.0.0.0';
    if (metric !== undefined) return `${network},${gateway ?? none},${metric}`;
    return gateway === undefined ? network : `${network},${gateway}`;
  };
  return Object.fromEntries(routes.map((route, n) => [`route${n + 1}`, text(route)]));
}
