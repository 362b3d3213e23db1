/**
 * The pptp transport: PPTP's control connection over TCP, PPP with MPPE in GRE, both roles. IPv4 outside, as RFC 2637 has no other.
 *
 * MS-CHAPv2 and stateless MPPE or no link: PAP, CHAP and cleartext are not even offered.
 */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import type { Transport } from '@culvert/core';
import { clientAuth } from '@culvert/ppp';
import { systemRandom } from '../clock.ts';
import { serverOffers } from '../ppp/server-auth.ts';
import { dial } from './dial.ts';
import { listen } from './listen.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';
import { SharedGre } from './shared-gre.ts';

const INNER_SLOTS = 512;
/** Room for several trains of 64 KiB. */
const INNER_BYTES = 1_536 * 1_024;

export function createPptpTransport(): Transport<PptpListenOptions, PptpDialOptions> {
  let ids = 0;
  const nextId = (): number => ++ids;
  const gre = new SharedGre();
  const packets = createPacketBatch(INNER_SLOTS, INNER_BYTES);
  const trains = createPacketBatch(INNER_SLOTS, INNER_BYTES, { virtio: true });
  const innerFor = (join: number | undefined): PacketBatch => ((join ?? 0) === 0 ? packets : trains);
  return {
    name: 'pptp',
    capabilities: { roaming: false, rekey: false, ipv6Outside: false, ipv6Inside: true, configures: false },
    listen: (at, on) => listen(at, { ...on, nextId, inner: innerFor(at.join), auth: serverOffers() }),
    dial: (to, on) => {
      const auth = clientAuth({ random: systemRandom, username: to.username, password: to.password });
      return dial(to, { ...on, nextId, gre, inner: innerFor(to.join), auth });
    },
  };
}
