/** Addresses and routes of a push reply (openvpn tun.c topologies, route.c). */
import {
  contains,
  formatAddress,
  formatNetwork,
  type IpAddress,
  networkOf,
  parseAddress,
  prefixOfNetmask,
  WireError,
} from '@culvert/wire';
import type { InnerAddress, PushedConfig } from './face.ts';
import { type Gathered, note } from './push-decode.ts';
import { sanitize } from './text.ts';

const MOST_ROUTES = 2_048;

export function formAddresses(g: Gathered): {
  readonly ipv4: InnerAddress | undefined;
  readonly ipv6: InnerAddress | undefined;
} {
  return { ipv4: formIpv4(g), ipv6: formIpv6(g) };
}

export function formRoutes(g: Gathered): Pick<PushedConfig, 'routes' | 'redirect'> {
  const routes = new Set<string>();
  for (const args of g.routes.slice(0, MOST_ROUTES)) addRoute(g, routes, args, routeIpv4(args));
  for (const args of g.routes6.slice(0, MOST_ROUTES)) addRoute(g, routes, args, routeIpv6(args));
  if (g.routes.length > MOST_ROUTES || g.routes6.length > MOST_ROUTES)
    note(g, `only ${MOST_ROUTES} routes of each IP version were taken`);
  const flags = g.redirect;
  const redirect = { ipv4: flags !== undefined && !flags.includes('!ipv4'), ipv6: flags?.includes('ipv6') ?? false };
  return { routes: [...routes], redirect };
}

/** The second argument of ifconfig is a netmask in a subnet, and the peer's address in net30 and p2p. */
function formIpv4(g: Gathered): InnerAddress | undefined {
  if (g.ifconfig === undefined) return undefined;
  const [local, second] = g.ifconfig.map(ip) as [IpAddress | undefined, IpAddress | undefined];
  const pushedGateway = ip(g.routeGateway);
  if (local?.version !== 4 || second?.version !== 4) {
    note(g, `the server pushed an ifconfig that makes no sense: ${sanitize(g.ifconfig.join(' '), 80)}`);
    return undefined;
  }
  const mask = prefixOfNetmask(formatAddress(second));
  const isSubnet = g.topology === 'subnet' || (mask !== undefined && mask > 0);
  if (!isSubnet)
    return { address: formatAddress(local), prefix: g.topology === 'net30' ? 30 : 32, gateway: formatAddress(second) };
  if (mask === undefined || mask === 0) {
    note(g, `the server pushed a netmask that makes no sense: ${formatAddress(second)}`);
    return undefined;
  }
  const network = networkOf(local, mask);
  const gateway =
    pushedGateway !== undefined && contains(network, pushedGateway) ? pushedGateway : firstHost(network.address);
  return { address: formatAddress(local), prefix: mask, gateway: formatAddress(gateway) };
}

function formIpv6(g: Gathered): InnerAddress | undefined {
  if (g.ifconfig6 === undefined) return undefined;
  const [text, gatewayText] = g.ifconfig6;
  const [addressText, prefixText] = text.split('/');
  const local = ip(addressText);
  const prefix = prefixOf(prefixText, 128);
  if (local?.version !== 6 || prefix === undefined || prefix === 0) {
    note(g, `the server pushed an ifconfig-ipv6 that makes no sense: ${sanitize(text, 80)}`);
    return undefined;
  }
  const pushed = ip(gatewayText);
  const gateway = pushed?.version === 6 ? pushed : firstHost(networkOf(local, prefix).address);
  return { address: formatAddress(local), prefix, gateway: formatAddress(gateway) };
}

function firstHost(network: IpAddress): IpAddress {
  const bytes = network.bytes.slice();
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) | 1;
  return { version: network.version, bytes };
}

function addRoute(
  g: Gathered,
  routes: Set<string>,
  args: readonly string[],
  route: string | 'outside' | undefined,
): void {
  if (route === undefined) note(g, `the server pushed a route that makes no sense: ${sanitize(args.join(' '), 80)}`);
  else if (route === 'outside')
    note(g, `the server pushed a route around the tunnel, which we do not take: ${sanitize(args.join(' '), 80)}`);
  else routes.add(route);
}

/** `route network [netmask [gateway [metric]]]`. */
function routeIpv4([network, mask, gateway]: readonly string[]): string | 'outside' | undefined {
  const address = ip(network);
  const prefix = mask === undefined || mask === 'default' ? 32 : prefixOfNetmask(mask);
  if (address?.version !== 4 || prefix === undefined) return undefined;
  return gateway === 'net_gateway' ? 'outside' : formatNetwork(networkOf(address, prefix));
}

/** `route-ipv6 network/bits [gateway [metric]]`. */
function routeIpv6([network, gateway]: readonly string[]): string | 'outside' | undefined {
  const [addressText, prefixText] = network?.split('/') ?? [];
  const address = ip(addressText);
  const prefix = prefixText === undefined ? 128 : prefixOf(prefixText, 128);
  if (address?.version !== 6 || prefix === undefined) return undefined;
  return gateway === 'net_gateway_ipv6' || gateway === 'net_gateway'
    ? 'outside'
    : formatNetwork(networkOf(address, prefix));
}

function prefixOf(text: string | undefined, most: number): number | undefined {
  return text !== undefined && /^\d{1,3}$/.test(text) && Number(text) <= most ? Number(text) : undefined;
}

/** An address, or undefined for anything else: a peer's text never throws. */
export function ip(text: string | undefined): IpAddress | undefined {
  if (text === undefined || text.length > 64) return undefined;
  try {
    return parseAddress(text);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
