/** The openvpn transport: OpenVPN's wire protocol over UDP and TCP, both roles. */
import type { Transport } from '@culvert/core';
import type { OpenvpnDialOptions, OpenvpnListenOptions } from './options.ts';

export function createOpenvpnTransport(): Transport<OpenvpnListenOptions, OpenvpnDialOptions> {
  return {
    name: 'openvpn',
    capabilities: { roaming: true, rekey: true, ipv6Outside: true, ipv6Inside: true },
    listen: () => Promise.reject(new Error('not yet')),
    dial: () => Promise.reject(new Error('not yet')),
  };
}
