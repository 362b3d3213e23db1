/** `listen` of the l2tp-ipsec transport: UDP 500 and 4500, a pair an address. L2TP in the clear is not even listened for. */
import type { Listener } from '@culvert/core';
import { listenerOf } from '../listener.ts';
import type { L2tpIpsecListenOptions } from './options.ts';
import { type ListenHandlers, PeerHost } from './peer-host.ts';

export async function listen(at: L2tpIpsecListenOptions, on: ListenHandlers): Promise<Listener> {
  const host = new PeerHost(at, on);
  return listenerOf({
    endpoints: host.endpoints,
    signal: on.signal,
    stats: () => host.counts,
    close: (why) => host.close(why),
  });
}
