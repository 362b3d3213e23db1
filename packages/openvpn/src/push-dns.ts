/** Name servers and search domains of a push reply: `dhcp-option`, and `dns` of 2.6 and later (openvpn dns.c). */
import { formatAddress } from '@culvert/wire';
import type { PushedConfig } from './face.ts';
import { type Gathered, note } from './push-decode.ts';
import { ip } from './push-network.ts';
import { sanitize } from './text.ts';

const MOST_SERVERS = 16;
const MOST_DOMAINS = 64;

/** Servers of `dns` options replace those of `dhcp-option`, as in openvpn. */
export function formDns(g: Gathered): PushedConfig['dns'] {
  const old = fromDhcpOptions(g);
  const modern = fromDnsOptions(g);
  return {
    servers: take(modern.servers.length > 0 ? modern.servers : old.servers, MOST_SERVERS),
    search: take(modern.search.length > 0 ? modern.search : old.search, MOST_DOMAINS),
  };
}

interface Found {
  readonly servers: string[];
  readonly search: string[];
}

function fromDhcpOptions(g: Gathered): Found {
  const found: Found = { servers: [], search: [] };
  for (const [kind = '', value = ''] of g.dhcpOptions) {
    if (kind === 'DNS' || kind === 'DNS6') addServer(g, found, value);
    else if (kind === 'DOMAIN' || kind === 'DOMAIN-SEARCH' || kind === 'ADAPTER_DOMAIN_SUFFIX')
      addDomain(g, found, value);
    else note(g, `the server pushed a dhcp-option that we do not take: ${sanitize(kind, 40)}`);
  }
  return found;
}

/** `dns search-domains a b`, `dns server n address a[:port] ...`; the lower n comes first. */
function fromDnsOptions(g: Gathered): Found {
  const found: Found = { servers: [], search: [] };
  const servers: { readonly priority: number; readonly addresses: readonly string[] }[] = [];
  for (const [what, ...args] of g.dns) {
    if (what === 'search-domains') for (const domain of args) addDomain(g, found, domain);
    else if (what === 'server' && args[1] === 'address')
      servers.push({ priority: Number(args[0]), addresses: args.slice(2) });
    else note(g, `the server pushed a dns option that we do not take: ${sanitize([what, ...args].join(' '), 80)}`);
  }
  servers.sort((a, b) => a.priority - b.priority);
  for (const { addresses } of servers) for (const address of addresses) addServer(g, found, withoutPort(address));
  return found;
}

function addServer(g: Gathered, found: Found, text: string): void {
  const address = ip(text);
  if (address === undefined) note(g, `the server pushed a name server that makes no sense: ${sanitize(text, 64)}`);
  else found.servers.push(formatAddress(address));
}

function addDomain(g: Gathered, found: Found, text: string): void {
  const domain = text.replace(/\.$/, '').toLowerCase();
  const valid = domain.length <= 253 && /^(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*$/.test(domain);
  if (valid) found.search.push(domain);
  else note(g, `the server pushed a search domain that makes no sense: ${sanitize(text, 64)}`);
}

/** `1.2.3.4:53` and `[fd00::1]:53` without their port 53. Another port cannot be used: it stays, and is refused as no address. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::53)?$/.exec(text);
  if (bracketed?.[1] !== undefined) return bracketed[1];
  return text.split(':').length === 2 ? text.replace(/:53$/, '') : text;
}

function take(list: readonly string[], most: number): string[] {
  return [...new Set(list)].slice(0, most);
}
