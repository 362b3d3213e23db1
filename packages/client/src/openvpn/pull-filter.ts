/**
 * `route-nopull` and `pull-filter` of a profile, on what the server told (openvpn's options.c: apply_pull_filter).
 *
 * A filter's text is compared with the beginning of an option as a server writes it. The transport gives us its meaning, so the
 * option is written anew here; only the parts that people filter by are there (`route 10.0.0.0 255.0.0.0`, `dhcp-option DNS`).
 */
import type { OpenvpnProfile } from '@culvert/config';
import type { LinkConfig } from '@culvert/core';
import { netmask, parseNetwork } from '@culvert/wire';
import { ClientError } from '../errors.ts';

type Filters = OpenvpnProfile['pullFilters'];

/** What is left of the server's configuration. Throws ClientError CULVERT_CLIENT_PUSHED where a filter rejects. */
export function filterPushed(config: LinkConfig, profile: OpenvpnProfile): LinkConfig {
  const keep = (...spellings: string[]) => spellings.every((text) => passes(text, profile.pullFilters));
  const pulled = !profile.routeNoPull;
  const redirect = (family: 'ipv4' | 'ipv6') => pulled && config.redirect[family] && keep('redirect-gateway def1');
  return {
    ...config,
    ipv6:
      config.ipv6 !== undefined && keep(`ifconfig-ipv6 ${config.ipv6.address}/${config.ipv6.prefix}`)
        ? config.ipv6
        : undefined,
    routes: config.routes.filter((network) => pulled && keep(routeOption(network))),
    redirect: { ipv4: redirect('ipv4'), ipv6: redirect('ipv6') },
    dns: {
      servers: config.dns.servers.filter(
        (server) => pulled && keep(`dhcp-option ${server.includes(':') ? 'DNS6' : 'DNS'} ${server}`),
      ),
      search: config.dns.search.filter((domain) => pulled && keep(`dhcp-option DOMAIN ${domain}`)),
    },
  };
}

function routeOption(network: string): string {
  if (network.includes(':')) return `route-ipv6 ${network}`;
  const { address, prefix } = parseNetwork(network);
  return `route ${address.bytes.join('.')} ${netmask(prefix)}`;
}

/** The first filter whose text begins the option decides; without one it passes. */
function passes(option: string, filters: Filters): boolean {
  const decided = filters.find(({ text }) => option.startsWith(text));
  if (decided?.action === 'reject') {
    throw new ClientError(
      'CULVERT_CLIENT_PUSHED',
      `${JSON.stringify(option)}, which the profile's pull-filter rejects`,
    );
  }
  return decided?.action !== 'ignore';
}
