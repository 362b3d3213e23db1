/** Directives about the networks, routes and name servers of a profile. */
import { formatAddress, formatNetwork, networkOf, parseAddress, prefixOfNetmask } from '@culvert/wire';
import { append, appended, type Directive, MAX_LIST, parseCount, show } from './openvpn-profile-values.ts';

/** A hostile profile costs little. */
const MAX_ROUTES = 1024;

export function redirectGateway(d: Directive): undefined {
  const known = ['autolocal', 'block-local', 'bypass-dhcp', 'bypass-dns', 'def1', 'ipv6', 'local', '!ipv4'];
  for (const flag of d.args) if (!known.includes(flag)) d.error(show(flag), `flags out of ${known.join(', ')}`);
  d.draft.profile.redirectGateway = {
    ipv4: !d.args.includes('!ipv4'),
    ipv6: d.args.includes('ipv6'),
    blockLocal: d.args.includes('block-local'),
  };
}

export function ipv4Route(d: Directive): undefined {
  const [address, netmask, gateway, metric] = d.args;
  const network = ipv4Network(address, netmask);
  if (network === undefined)
    return d.error(show([address, netmask].filter(Boolean).join(' ')), 'an IPv4 network and its netmask');
  addRoute(d, network, gateway, metric, 4);
}

export function ipv6Route(d: Directive): undefined {
  const [network, gateway, metric] = d.args;
  const parsed = ipv6Network(network);
  if (parsed === undefined) return d.error(show(network), 'an IPv6 network such as fd00::/64');
  addRoute(d, parsed, gateway, metric, 6);
}

export function dhcpOption(d: Directive): undefined {
  const [type = '', value = ''] = d.args;
  const { dns } = d.draft.profile;
  if (type === 'DNS' || type === 'DNS6') {
    const server = canonicalAddress(value);
    if (server === undefined) return d.error(show(value), 'the IP address of a DNS server');
    d.draft.profile.dns = { ...dns, servers: appended(d, dns.servers, server, MAX_LIST) };
  } else if (type === 'DOMAIN' || type === 'DOMAIN-SEARCH' || type === 'ADAPTER_DOMAIN_SUFFIX') {
    addSearch(d, [value]);
  }
  // WINS, NTP, NBT and proxy options have no meaning on this system.
}

/** `dns server N address A...`, `dns search-domains D...` (OpenVPN 2.6). */
export function dnsOption(d: Directive): undefined {
  const [what, ...rest] = d.args;
  if (what === 'search-domains') return addSearch(d, rest);
  const [priority, setting, ...values] = rest;
  if (what !== 'server' || priority === undefined) return d.error(show(d.args.join(' ')), 'server or search-domains');
  const order = Number(priority);
  if (!/^-?\d{1,3}$/.test(priority) || order < -128 || order > 127)
    return d.error(show(priority), 'a priority from -128 to 127');
  if (setting === 'address') {
    const addresses = values.map((value) =>
      canonicalAddress(value.replace(/^\[(.*)\](?::53)?$|^([\d.]+):53$/, '$1$2')),
    );
    if (addresses.includes(undefined) || addresses.length === 0)
      return d.error(show(values.join(' ')), 'IP addresses, on port 53');
    append(d, d.draft.dnsServers, { priority: order, addresses: addresses as string[] }, MAX_LIST);
  } else if (setting === 'resolve-domains') addSearch(d, values);
  else if (setting === 'transport' && values[0] === 'plain') return;
  else if (setting === 'dnssec' || setting === 'transport' || setting === 'sni') {
    return d.warning(show(setting), 'plain DNS: this setting is left out');
  } else return d.error(show(setting), 'address, resolve-domains, dnssec, transport or sni');
}

function addSearch(d: Directive, domains: readonly string[]): undefined {
  for (const domain of domains) {
    if (
      !/^(?=.{1,253}$)[A-Za-z0-9_](?:[\w-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[\w-]*[A-Za-z0-9_])?)*\.?$/.test(domain)
    ) {
      return d.error(show(domain), 'a domain name');
    }
    const { dns } = d.draft.profile;
    d.draft.profile.dns = { ...dns, search: appended(d, dns.search, domain, MAX_LIST) };
  }
  return undefined;
}

function addRoute(
  d: Directive,
  network: string,
  via: string | undefined,
  cost: string | undefined,
  version: 4 | 6,
): undefined {
  const gateway = via === undefined || via === 'default' ? undefined : parseGateway(via, version);
  if (via !== undefined && via !== 'default' && gateway === undefined) {
    return d.error(show(via), `an IPv${version} address, vpn_gateway or net_gateway`);
  }
  const metric = cost === undefined || cost === 'default' ? undefined : parseCount(d, cost, 0, 2_000_000_000);
  d.draft.profile.routes = appended(d, d.draft.profile.routes, { network, gateway, metric }, MAX_ROUTES);
}

function parseGateway(text: string, version: 4 | 6): string | undefined {
  if (text === 'vpn_gateway') return 'vpn';
  if (text === 'net_gateway' || text === 'net_gateway_ipv6') return 'net';
  const address = canonicalAddress(text);
  return address === undefined || address.includes(':') !== (version === 6) ? undefined : address;
}

function canonicalAddress(text: string): string | undefined {
  return attempt(() => formatAddress(parseAddress(text)));
}

/** OpenVPN clears host bits and says so; so do we, silently. */
function ipv4Network(address: string | undefined, netmask: string | undefined): string | undefined {
  return attempt(() => {
    const parsed = parseAddress(address ?? '');
    if (parsed.version !== 4) return undefined;
    const prefix = netmask === undefined || netmask === 'default' ? 32 : prefixOfNetmask(netmask);
    return prefix === undefined ? undefined : formatNetwork(networkOf(parsed, prefix));
  });
}

function ipv6Network(text: string | undefined): string | undefined {
  return attempt(() => {
    const [address = '', prefix = '128'] = (text ?? '').split('/');
    const parsed = parseAddress(address);
    if (parsed.version !== 6 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > 128) return undefined;
    return formatNetwork(networkOf(parsed, Number(prefix)));
  });
}

function attempt<Value>(make: () => Value): Value | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
