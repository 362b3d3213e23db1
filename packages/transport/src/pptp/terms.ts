/** What PPTP asks of a PPP session, and what it makes of what was agreed. */
import type { MppeDirection, MppeWish, PppTerms } from '@culvert/ppp';
import { systemClock } from '../clock.ts';
import { USUAL_OUTER_MTU } from '../outer-mtu.ts';
import { PppLink, type PppLinkOptions } from '../ppp/link.ts';
import { factsOf } from '../ppp/terms.ts';
import type { Call } from './call.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';

const IPV4_HEADER = 20;

/** Encryption is not to be negotiated away. */
export function mppeWish({ strengths = [128], stateful = false }: PptpListenOptions | PptpDialOptions): MppeWish {
  return { need: 'required', strengths, stateful };
}

/** Gives the call its keys and its link. Undefined: it is not encrypted as it must be, and ends. */
export function bringUp(
  call: Call,
  terms: PppTerms,
  link: Pick<PppLinkOptions, 'id' | 'principal' | 'config' | 'path'>,
): PppLink | undefined {
  const { data } = call;
  const { send, receive } = terms.mppe;
  if (send === undefined || receive === undefined) {
    call.close({ cause: 'protocol', detail: 'the peers did not agree on encryption (MPPE) both ways' });
    return undefined;
  }
  data.secure(terms, send, receive);
  call.link = new PppLink({
    ...link,
    transport: 'pptp',
    clock: systemClock,
    stats: data.stats,
    wire: () => call.counts,
    facts: { ...factsOf(terms), encryption: encryptionOf(send, receive) },
    unfragmented: () => USUAL_OUTER_MTU - IPV4_HEADER - data.overhead,
    send: (batch, now) => call.send(batch, now),
    close: (why) => call.close(why),
    onFault: (error) => call.fail(error),
  });
  return call.link;
}

/** "MPPE-128", "MPPE-128 stateful"; the weaker of the two directions. */
function encryptionOf(send: MppeDirection, receive: MppeDirection): string {
  const state = send.stateless && receive.stateless ? '' : ' stateful';
  return `MPPE-${Math.min(send.strength, receive.strength)}${state}`;
}
