/** What a client changes on its host: all traffic into the tunnel, and the way to the server kept outside of it. */
import { BlockList } from 'node:net';
import { canonicalAddress, checkAddress, checkDevice, familyOf, type HostChange, type RouteChange } from './change.ts';
import { commandError, run } from './command.ts';
import { HostError } from './errors.ts';
import { type ShownRoute, showRoutes } from './route.ts';

/** Loses against any real route to the same host. */
const LAST_METRIC = 0xffff_fffe;

/**
 * Routes that send all traffic of an IP version into `device`, as two halves: they win against any default route and leave it
 * in its place (openvpn's `redirect-gateway def1`). `block`: unreachable instead, so that nothing leaks past the tunnel.
 */
export function redirectRoutes(device: string, family: 4 | 6, block = false): RouteChange[] {
  checkDevice(device);
  const halves = family === 4 ? ['0.0.0.0/1', '128.0.0.0/1'] : ['::/1', '8000::/1'];
  return halves.map((network) =>
    block ? { kind: 'route', network, type: 'unreachable' } : { kind: 'route', network, device },
  );
}

/**
 * A host route to `server` the way packets to it go now, seen past `tunnel`, so that a redirect does not swallow them. Behind it
 * stands an unreachable one: when the uplink vanishes, packets to the server fail instead of entering their own tunnel.
 * Empty for a server on this host. Throws HostError CULVERT_HOST_UNREACHABLE when there is no way.
 */
export async function pinnedRoutes(server: string, tunnel: string): Promise<HostChange[]> {
  const way = await wayTo(server, tunnel);
  if (way === undefined) return [];
  const network = canonicalAddress(server);
  return [
    { kind: 'route', network, type: 'unreachable', metric: LAST_METRIC },
    { kind: 'route', network, ...way },
  ];
}

/** How packets reach `server` when `tunnel` does not count; undefined when it is on this host. */
export async function wayTo(
  server: string,
  tunnel: string,
): Promise<{ readonly via?: string; readonly device: string } | undefined> {
  checkAddress(server);
  const tools = { journalFd: undefined };
  const outcome = await run(tools, 'ip', ['-json', 'route', 'get', server]);
  if (outcome.code === 0) {
    const [found] = JSON.parse(outcome.stdout) as { type?: string; gateway?: string; dev?: string }[];
    if (found?.type === 'local' || found?.dev === 'lo') return undefined;
    if (found?.dev !== undefined && found.dev !== tunnel) return way(found.gateway, found.dev);
  } else if (!/unreachable|No route/i.test(outcome.stderr)) {
    throw commandError(`look for the route to ${server}`, outcome.stderr);
  }
  // Our own routes hide it: look for the best of the others.
  const routes = await showRoutes(familyOf(server), undefined, tools);
  const usable = routes.filter((route) => isUsable(route, server, tunnel));
  const [best] = usable.sort((a, b) => prefixOf(b) - prefixOf(a) || a.metric - b.metric);
  if (best?.device === undefined) throw new HostError('CULVERT_HOST_UNREACHABLE', server);
  return way(best.via, best.device);
}

function way(via: string | undefined, device: string): { readonly via?: string; readonly device: string } {
  return via === undefined ? { device } : { via, device };
}

function isUsable(route: ShownRoute, server: string, tunnel: string): boolean {
  if (route.type !== 'unicast' || route.device === undefined || route.device === tunnel) return false;
  if (/ (?:linkdown|dead)(?: |$)/.test(route.text) || route.network === canonicalAddress(server)) return false;
  return route.network === 'default' || covers(route.network, server);
}

function prefixOf(route: ShownRoute): number {
  if (route.network === 'default') return 0;
  return Number(route.network.split('/')[1] ?? (route.network.includes(':') ? 128 : 32));
}

function covers(network: string, server: string): boolean {
  const [address = '', prefix] = network.split('/');
  const family = familyOf(server) === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(prefix), family);
  return list.check(server, family);
}
