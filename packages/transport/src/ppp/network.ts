/** Between the core's configuration of a link and what PPP can tell a peer: addresses and name servers, and nothing else. */
import type { LinkConfig } from '@culvert/core';
import type { NetworkConfig, PppTerms } from '@culvert/ppp';
import { formatAddress, formatNetwork, networkOf, parseAddress } from '@culvert/wire';
import type { PppDialOptions } from './options.ts';

/** Peers make their addresses of a network and an interface identifier of 64 bits each (RFC 4862, RFC 5072). */
const PREFIX_BITS = 64;
const INTERFACE_ID_BYTES = 8;

/**
 * What a server's PPP tells a peer with this configuration. A peer without a network of its own gets the interface identifier that makes
 * its address the leased one; where it insists on another it has no IPv6, as the core takes packets from no other address.
 */
export function networkFor({ ipv4, ipv6, dns }: LinkConfig): NetworkConfig {
  const serversOf = (version: 4 | 6) => dns.servers.filter((server) => parseAddress(server).version === version);
  return {
    ipv4: ipv4 && { local: ipv4.gateway, peer: ipv4.address, dns: serversOf(4) },
    ipv6: ipv6 && {
      prefix: formatNetwork(networkOf(parseAddress(ipv6.address), PREFIX_BITS)),
      dns: serversOf(6),
      peerInterfaceId: ipv6.ownNetwork === undefined ? interfaceId(ipv6.address) : undefined,
      localInterfaceId: interfaceId(ipv6.gateway),
    },
  };
}

/**
 * A link's configuration, by what is agreed now: with the address that the peer makes of its network, and without the IP version whose
 * protocol is not open, of which it may not be sent anything (RFC 1332, section 2.1; RFC 5072, section 2).
 */
export function peerConfig(config: LinkConfig, { ipv4, ipv6: agreed, mtu }: PppTerms): LinkConfig {
  const ipv6 = agreed && config.ipv6;
  const own = agreed && ipv6?.ownNetwork !== undefined && withInterfaceId(ipv6.address, interfaceId(agreed.peer));
  return {
    ...config,
    ipv4: ipv4 && config.ipv4,
    ipv6: ipv6 && own ? { ...ipv6, address: own } : ipv6,
    mtu: Math.min(config.mtu, mtu),
  };
}

/** A client's configuration, from what the server told and what its own profile says. */
export function clientConfig(
  { ipv4, ipv6, mtu }: PppTerms,
  to: Pick<PppDialOptions, 'routes' | 'redirect'>,
  keepalive: LinkConfig['keepalive'],
): LinkConfig {
  return {
    ipv4: ipv4 && { address: ipv4.local, prefix: 32, gateway: ipv4.peer ?? ipv4.local },
    ipv6: ipv6?.global,
    mtu,
    routes: to.routes ?? [],
    redirect: to.redirect ?? { ipv4: false, ipv6: false },
    dns: { servers: [...(ipv4?.dns ?? []), ...(ipv6?.dns ?? [])], search: [] },
    networksBehind: [],
    keepalive,
    idleTimeout: undefined,
    sessionTimeout: undefined,
  };
}

function withInterfaceId(address: string, id: Uint8Array): string {
  const { version, bytes } = parseAddress(address);
  const own = bytes.slice();
  own.set(id, bytes.length - INTERFACE_ID_BYTES);
  return formatAddress({ version, bytes: own });
}

function interfaceId(address: string): Uint8Array {
  return parseAddress(address).bytes.slice(INTERFACE_ID_BYTES);
}
