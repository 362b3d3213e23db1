/**
 * The host's side of a tunnel: addresses, routes, name servers, and the way to the server kept outside.
 *
 * Owns which changes make a configuration. Leaves journal and undoing to @culvert/host. It stays as it is while the wire is lost,
 * so that nothing leaks past the tunnel.
 */
import { existsSync, readFileSync } from 'node:fs';
import { BlockList, isIPv6 } from 'node:net';
import type { Logger } from '@culvert/base';
import {
  type AppliedChanges,
  type HostChange,
  type HostChanges,
  pinnedRoutes,
  redirectRoutes,
  wayTo,
} from '@culvert/host';
import type { TunnelConfig } from './pushed-config.ts';

export interface TunnelNetwork {
  /** Keeps `server` reachable past the tunnel, where the present configuration would swallow it. Throws HostError when it is not. */
  pin(server: string): Promise<void>;
  /** Makes the host fit `config`, from whatever it was before. Throws HostError. */
  configure(config: TunnelConfig, server: string): Promise<void>;
  /** The host's routes changed: pins the server to the way that there is now. */
  repin(): Promise<void>;
}

export class HostNetwork implements TunnelNetwork {
  readonly #changes: HostChanges;
  readonly #device: string;
  readonly #log: Logger;
  #config: TunnelConfig | undefined;
  #server: string | undefined;
  #pins: AppliedChanges | undefined;
  #applied: AppliedChanges | undefined;
  /** Calls take turns: a change of routes may come while a configuration is made. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly changes: HostChanges; readonly device: string; readonly log: Logger }) {
    this.#changes = options.changes;
    this.#device = options.device;
    this.#log = options.log;
  }

  pin(server: string): Promise<void> {
    return this.#inTurn(async () => {
      await wayTo(server, this.#device); // Without a way there is no use in trying.
      if (this.#config !== undefined) await this.#pinFor(this.#config, server);
    });
  }

  configure(config: TunnelConfig, server: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#pinFor(config, server);
      const changes = await configChanges(config, this.#device, server);
      this.#applied =
        this.#applied === undefined
          ? await this.#changes.apply(changes)
          : await this.#changes.replace(this.#applied, changes);
      this.#config = config;
    });
  }

  repin(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#config !== undefined && this.#server !== undefined) await this.#pinFor(this.#config, this.#server);
    });
  }

  async #pinFor(config: TunnelConfig, server: string): Promise<void> {
    this.#server = server;
    const wanted = covers(config, server) ? await pinnedRoutes(server, this.#device) : [];
    if (this.#pins === undefined && wanted.length === 0) return;
    if (wanted.length > 0) this.#log.debug('keep the server outside of the tunnel', { server });
    this.#pins =
      this.#pins === undefined ? await this.#changes.apply(wanted) : await this.#changes.replace(this.#pins, wanted);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {}); // The caller of `result` has the error.
    return result;
  }
}

/** Whether packets to `server` would enter the tunnel. */
export function covers(config: TunnelConfig, server: string): boolean {
  const version = isIPv6(server) ? 6 : 4;
  if (config.redirect[version] !== 'no') return true;
  const list = new BlockList();
  for (const network of [...config.addresses, ...config.routes.map((route) => route.network)]) {
    const [address = '', prefix] = network.split('/');
    list.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list.check(server, version === 6 ? 'ipv6' : 'ipv4');
}

/** Order matters: the address before what leaves with it, name servers last. */
async function configChanges(config: TunnelConfig, device: string, server: string): Promise<HostChange[]> {
  const bypass: HostChange[] = [];
  for (const network of config.bypass) {
    const way = await wayTo(network.split('/')[0] ?? '', device);
    if (way !== undefined) bypass.push({ kind: 'route', network, ...way });
  }
  const own = (network: string) => network === `${server}/32` || network === `${server}/128`;
  const redirected = (version: 4 | 6) =>
    config.redirect[version] === 'no' ? [] : redirectRoutes(device, version, config.redirect[version] === 'block');
  const all = config.redirect[4] === 'tunnel' || config.redirect[6] === 'tunnel';
  return [
    // Else the kernel takes the second address of a network away together with the first.
    { kind: 'sysctl', key: `net/ipv4/conf/${device}/promote_secondaries`, value: '1' },
    // Where new devices get no IPv6 (conf/default), this one does: the tunnel has an address for it.
    ...(config.addresses.some((address) => address.includes(':'))
      ? [{ kind: 'sysctl' as const, key: `net/ipv6/conf/${device}/disable_ipv6`, value: '0' }]
      : []),
    ...config.addresses.map((address): HostChange => ({ kind: 'address', device, address })),
    { kind: 'link', device, mtu: config.mtu, up: true },
    ...bypass,
    ...config.routes
      .filter(({ network }) => !own(network))
      .map(
        ({ network, metric }): HostChange => ({
          kind: 'route',
          network,
          device,
          ...(metric === undefined ? {} : { metric }),
        }),
      ),
    ...redirected(4),
    ...redirected(6),
    ...(config.dns.servers.length === 0 ? [] : [{ kind: 'dns' as const, device, ...config.dns, all }]),
  ];
}

/** Whether this host has IPv6 at all. */
export function hostHasIpv6(): boolean {
  const file = '/proc/sys/net/ipv6/conf/all/disable_ipv6';
  return existsSync(file) && readFileSync(file, 'utf8').trim() === '0';
}
