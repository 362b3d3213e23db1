/** How the configuration becomes what the transports that carry PPP listen with. */
import type { GatewayConfig } from '@culvert/config';
import type { LinkConfig } from '@culvert/core';
import type { L2tpIpsecListenOptions, PptpListenOptions } from '@culvert/transport';
import type { IpsecKeys } from './ipsec-keys.ts';

export interface PppListening {
  /** What counts now: `keepalive` is read for each new session, all else once. */
  config(): GatewayConfig;
  /** Bits of cipher's `Join`. */
  readonly join: number;
}

// Chosen by us. PPP asks at one end alone, and the answer may be lost as well as the question: OpenVPN's ends each send without being asked.
const SHORTEST_INTERVAL = 5_000;
/** Three questions without answer, each with an interval to come in. */
const INTERVALS = 4;

export function pptpOptions({ config, join }: PppListening): PptpListenOptions {
  const { transports, limits } = config();
  const { strengths, stateful, listen } = transports.pptp;
  return {
    listen: listen.map(({ address, port }) => ({ address, port })),
    strengths,
    stateful,
    join,
    maxLinks: limits.links,
    get keepalive() {
      return pppKeepalive(config());
    },
  };
}

export function l2tpIpsecOptions({ config, join, keys }: PppListening & { readonly keys: IpsecKeys }) {
  const { transports, limits, network } = config();
  const { l2tpIpsec } = transports;
  return {
    listen: l2tpIpsec.listen.map(({ address }) => ({ address })),
    forceEncapsulation: l2tpIpsec.forceEncapsulation,
    weak: l2tpIpsec.acceptWeak,
    truncatedSha256: l2tpIpsec.truncatedSha256,
    authentication: l2tpIpsec.authentication,
    join,
    ...trainsOf(network),
    maxLinks: limits.links,
    get keepalive() {
      return pppKeepalive(config());
    },
    // Read for each new peer: a reload exchanges them.
    get presharedKeys() {
      return keys.presharedKeys;
    },
    get tunnelSecret() {
      return keys.tunnelSecret;
    },
    get certificate() {
      return keys.certificate;
    },
  } satisfies L2tpIpsecListenOptions;
}

/** Sockets use them wherever they are not ruled out. */
export function trainsOf({ offload }: GatewayConfig['network']): { readonly trains?: boolean } {
  return offload ? {} : { trains: false };
}

function pppKeepalive({ keepalive }: GatewayConfig): LinkConfig['keepalive'] {
  const interval = Math.max(keepalive.interval, SHORTEST_INTERVAL);
  return { interval, timeout: Math.max(keepalive.timeout, INTERVALS * interval) };
}
