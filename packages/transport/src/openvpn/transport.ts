/** The openvpn transport: OpenVPN's wire protocol over UDP and TCP, both roles. */
import type { Transport } from '@culvert/core';
import type { Said } from './data-keys.ts';
import { dial } from './dial.ts';
import { listen } from './listen.ts';
import type { OpenvpnDialOptions, OpenvpnListenOptions } from './options.ts';
import { createScratch } from './scratch.ts';

export function createOpenvpnTransport(): Transport<OpenvpnListenOptions, OpenvpnDialOptions> {
  let ids = 0;
  const scratch = createScratch();
  const said: Said = { portableCipher: false, failedEngines: false };
  const nextId = (): number => ++ids;
  return {
    name: 'openvpn',
    capabilities: { roaming: true, rekey: true, ipv6Outside: true, ipv6Inside: true, configures: true },
    listen: (at, on) => listen(at, { ...on, nextId, scratch, said }),
    dial: (to, on) => dial(to, { ...on, nextId, scratch, said }),
  };
}
