/** What the policies agreed on, as the driver reads it: addresses as text, keys, MTU. */
import { formatAddress } from '@culvert/wire';
import type { MppeTerms } from './ccp-policy.ts';
import type { MppeDirection, PppTerms } from './face.ts';
import type { Ipv4Terms } from './ipcp-policy.ts';
import type { Ipv6cpPolicy } from './ipv6cp-policy.ts';
import type { LcpTerms } from './lcp-policy.ts';
import type { HostConfig } from './router/host.ts';
import { linkLocal } from './router/message.ts';

/** MPPE's header and the protocol field that it hides (RFC 3078, section 3). */
const MPPE_OVERHEAD = 4;

/** The largest inner packet, in bytes. @param mtu what the carrier moves; undefined: whatever the peer takes */
export function innerMtu({ mru }: Pick<LcpTerms, 'mru'>, mtu: number | undefined, isEncrypted: boolean): number {
  return Math.min(mru, mtu ?? mru) - (isEncrypted ? MPPE_OVERHEAD : 0);
}

export interface StartKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

export interface Agreed {
  readonly identity: string | undefined;
  readonly method: string | undefined;
  readonly lcp: LcpTerms;
  /** What the carrier moves, in bytes. */
  readonly mtu: number | undefined;
  readonly ipv4: Ipv4Terms | undefined;
  readonly ipv6: Ipv6cpPolicy | undefined;
  readonly host: HostConfig | undefined;
  readonly send: MppeTerms | undefined;
  readonly receive: MppeTerms | undefined;
  readonly keys: StartKeys | undefined;
}

export function describeTerms(agreed: Agreed): PppTerms {
  const { lcp, ipv4, ipv6, host, keys } = agreed;
  const mppe = {
    send: direction(agreed.send, keys?.send),
    receive: direction(agreed.receive, keys?.receive),
  };
  return {
    identity: agreed.identity,
    method: agreed.method,
    ipv4: ipv4 && {
      local: formatAddress(ipv4.local),
      peer: ipv4.peer && formatAddress(ipv4.peer),
      dns: ipv4.dns.map(formatAddress),
      nbns: ipv4.nbns.map(formatAddress),
    },
    ipv6: ipv6 && {
      local: formatAddress(linkLocal(ipv6.local)),
      peer: formatAddress(linkLocal(ipv6.peer)),
      global: host && {
        address: formatAddress(host.address),
        prefix: host.prefix,
        gateway: formatAddress(host.router),
      },
      dns: host?.nameServers.map(formatAddress) ?? [],
    },
    mtu: innerMtu(lcp, agreed.mtu, mppe.send !== undefined),
    addressCompression: lcp.addressCompression,
    protocolCompression: lcp.protocolCompression,
    asyncMap: lcp.asyncMap,
    mppe,
  };
}

function direction(terms: MppeTerms | undefined, startKey: Uint8Array | undefined): MppeDirection | undefined {
  return terms && startKey && { ...terms, startKey };
}
