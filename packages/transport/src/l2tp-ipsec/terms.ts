/** What this transport asks of a PPP session, and what it makes of what was agreed. */
import { espSealedLength } from '@culvert/cipher';
import { espName, type SaPair, UDP_HEADER_BYTES } from '@culvert/ipsec';
import type { PppTerms } from '@culvert/ppp';
import { systemClock } from '../clock.ts';
import { PppLink, type PppLinkOptions } from '../ppp/link.ts';
import { factsOf } from '../ppp/terms.ts';
import type { Call } from './call.ts';
import type { Carrier } from './carrier.ts';
import { headerBytes } from './frames.ts';
import { familyOf } from './ports.ts';

/** What an outer packet may have so that it is whole on most paths: for lines with PPPoE. */
const OUTER_MTU = 1_492;
const IP_HEADERS = { 4: 20, 6: 40 };
/** Of a data packet of L2TP without sequence numbers. */
const L2TP_HEADER = 8;

/** Gives the call its link. */
export function bringUp(
  call: Call,
  carrier: Carrier,
  terms: PppTerms,
  link: Pick<PppLinkOptions, 'id' | 'principal' | 'config' | 'wire'>,
): PppLink {
  const { peer } = carrier;
  const pair = peer.chain.sending ?? peer.chain.newest;
  call.data.open(terms);
  call.link = new PppLink({
    ...link,
    transport: 'l2tp-ipsec',
    path: peer.path,
    clock: systemClock,
    stats: call.data.stats,
    facts: {
      ...factsOf(terms),
      ike: peer.facts.ike,
      esp: pair === undefined ? 'none' : espName(pair.sa.algorithms),
      nat: peer.facts.nat ? 'yes' : 'no',
      peer: peer.facts.identity,
    },
    unfragmented: pair === undefined ? 0 : largestWhole(pair, familyOf(peer.path.remote.address), headerBytes(terms)),
    send: (batch) => call.data.send(batch),
    close: (why) => call.close(why),
    onFault: (error) => call.fail(error),
  });
  return call.link;
}

/** The largest inner packet whose outer one is not longer than OUTER_MTU. */
function largestWhole({ sa }: SaPair, family: 4 | 6, frameHeader: number): number {
  const room = OUTER_MTU - IP_HEADERS[family] - (sa.udpEncapsulated ? UDP_HEADER_BYTES : 0);
  const before = UDP_HEADER_BYTES + L2TP_HEADER + frameHeader;
  let payload = room;
  while (payload > before && espSealedLength(sa.algorithms, payload) > room) payload--;
  return payload - before;
}
