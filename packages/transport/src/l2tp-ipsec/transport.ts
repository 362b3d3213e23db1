/**
 * The l2tp-ipsec transport: PPP in L2TP in UDP in ESP (RFC 3193), with keys by IKEv1, both roles.
 *
 * MS-CHAPv2 unless PAP is asked for; no MPPE, as IPsec protects all of it.
 */
import type { Transport } from '@culvert/core';
import { clientAuth } from '@culvert/ppp';
import { systemRandom } from '../clock.ts';
import { serverOffers } from '../ppp/server-auth.ts';
import { createDatagrams } from '../udp-port.ts';
import { createScratch } from './data-path.ts';
import { dial } from './dial.ts';
import { listen } from './listen.ts';
import type { L2tpIpsecDialOptions, L2tpIpsecListenOptions } from './options.ts';

export function createL2tpIpsecTransport(): Transport<L2tpIpsecListenOptions, L2tpIpsecDialOptions> {
  let ids = 0;
  const shared = { nextId: () => ++ids, datagrams: createDatagrams(), scratch: createScratch() };
  return {
    name: 'l2tp-ipsec',
    capabilities: { roaming: true, rekey: true, ipv6Outside: true, ipv6Inside: true, configures: false },
    listen: (at, on) => {
      const { authentication: methods } = at;
      return listen(at, { ...on, ...shared, auth: serverOffers(methods) });
    },
    dial: (to, on) => {
      const { username, password, authentication: methods } = to;
      return dial(to, { ...on, ...shared, auth: clientAuth({ random: systemRandom, username, password, methods }) });
    },
  };
}
