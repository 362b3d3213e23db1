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
import type { IpsecPeer } from './peer.ts';

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
    unfragmented: largestWhole(peer, headerBytes(terms)),
    send: (batch) => call.data.send(batch),
    close: (why) => call.close(why),
    onFault: (error) => call.fail(error),
  });
  return call.link;
}

/** Tells the largest inner packet whose outer one leaves whole. Looks for it where something has changed. */
function largestWhole(peer: IpsecPeer, frameHeader: number): () => number | undefined {
  const before = UDP_HEADER_BYTES + L2TP_HEADER + frameHeader;
  let known:
    | { readonly outer: number; readonly family: 4 | 6; readonly pair: SaPair; readonly whole: number }
    | undefined;
  return () => {
    const { path, chain } = peer;
    const outer = path.outerMtu;
    const { family } = path.port.socket;
    const pair = chain.sending ?? chain.newest;
    if (pair === undefined) return known?.whole;
    if (known?.outer !== outer || known.family !== family || known.pair !== pair) {
      const room = outer - IP_HEADERS[family] - (pair.sa.udpEncapsulated ? UDP_HEADER_BYTES : 0);
      known = { outer, family, pair, whole: largestPayload(pair.sa.algorithms, room) - before };
    }
    return known.whole;
  };
}

/** The longest that is sealed to not more than `room` bytes. */
function largestPayload(algorithms: SaPair['sa']['algorithms'], room: number): number {
  let payload = room;
  while (payload > 0 && espSealedLength(algorithms, payload) > room) payload--;
  return payload;
}
