/** What profiles of VPNs with PPP share: its server tells addresses and name servers alone, so that all else is the profile's. */
import type { VpnNetwork } from '@culvert/config';
import type { LinkConfig } from '@culvert/core';
import { ClientError } from './errors.ts';
import type { Credentials, ProfileNetwork, Retry } from './profile.ts';

/** These profiles do not say. */
export const usualRetry: Retry = { timeout: undefined, first: undefined, most: undefined, rounds: undefined };

/** What the profile wants beside what the server tells. */
export function profileNetworkOf({ routes, redirect, dns }: VpnNetwork): ProfileNetwork {
  return { routes, redirect, dns, blockIpv6: false, mtuIsLimit: true };
}

/** What of the server's words is taken. Its own address and its name servers are reached through the tunnel, as no route of its says. */
export function filterTold(told: LinkConfig, { ignoreServersDns }: VpnNetwork): LinkConfig {
  const dns = ignoreServersDns ? { servers: [], search: [] } : told.dns;
  const others = [told.ipv4?.gateway, ...dns.servers].filter(
    (address) => address !== undefined && address !== told.ipv4?.address,
  );
  const routes = others.map((address) => `${address}/${address?.includes(':') ? 128 : 32}`);
  return { ...told, dns, routes: [...told.routes, ...routes] };
}

/** What every dial over PPP takes of a profile. Throws ClientError CULVERT_CLIENT_CREDENTIALS. */
export function pppOptions(
  profile: {
    readonly domain: string | undefined;
    readonly echo: { readonly interval: number; readonly failures: number } | undefined;
    readonly network: VpnNetwork;
  },
  credentials: Credentials | undefined,
) {
  if (credentials === undefined) throw new ClientError('CULVERT_CLIENT_CREDENTIALS');
  const { domain, echo, network } = profile;
  const { username, password } = credentials;
  return {
    username: domain === undefined || username.includes('\\') ? username : `${domain}\\${username}`,
    password,
    ipv6: network.ipv6,
    ...(echo && { keepalive: { interval: echo.interval * 1_000, timeout: echo.interval * echo.failures * 1_000 } }),
  };
}
