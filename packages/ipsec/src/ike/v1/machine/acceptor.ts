/**
 * The first pair of messages of main mode as responder: what a stranger can make us do (RFC 2409, section 5; RFC 2408, section 2.5.3).
 *
 *   SA, VID...      ->
 *                   <-    SA with one transform, VID...      never longer than the question
 *
 * Our cookie is an HMAC of the peer's address, port and cookie. The SA payload is hashed at the end of main mode and does not come again, so
 * that a record must stay; nothing else does, and no key exchange is made before the cookie comes back from the same address. What peers of
 * one kind say to the byte is read, answered and kept once.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Instant, Path } from '@culvert/base';
import { Telling } from '../../../telling.ts';
import { COOKIE_BYTES, Exchange, encodeMessage, type Message } from '../message.ts';
import { NotifyType, notify } from '../notification.ts';
import { type NoneChosen, sideBySide } from '../offers.ts';
import { bodiesOf, bodyOf, decodePayloads, encodePayloads, type Payload, PayloadType } from '../payload.ts';
import { type Authentication, choosePhase1, phase1Policy } from '../phase1-proposal.ts';
import { decodeSecurityAssociation, encodeSecurityAssociation, ProtocolId } from '../security-association.ts';
import { peerAbilities, responderVendorIds, vendorId } from '../vendor-id.ts';
import type { Context } from './context.ts';
import type { IkeFailure } from './face.ts';
import { type FirstMessage, FirstMessages, type FirstOffer } from './half-open.ts';
import { cookiesOf, keyOf, noCookie } from './sa-table.ts';
import { digestOf } from './same.ts';

/** Against a lost answer; more would serve whoever forges the address. */
const MOST_RESENDS = 3;
/** Longer first messages are nobody's: those with the most proposals have some 2,000 bytes. */
const LONGEST = 4096;
/** Different ones that are remembered, so that what all of a kind say is read once. */
const MOST_OFFERS = 256;

interface Refusal {
  readonly code: IkeFailure;
  readonly detail: string;
  readonly offers: NoneChosen;
}

export class Acceptor {
  readonly first: FirstMessages;
  readonly #context: Context;
  readonly #secret: KeyObject;
  readonly #offers = new Map<string, FirstOffer | Refusal>();
  /** Refusals, in events and on the wire. */
  readonly #telling = new Telling();

  constructor(context: Context) {
    this.#context = context;
    this.first = new FirstMessages(context.limits);
    this.#secret = createSecretKey(context.options.random.bytes(32));
  }

  /** A message without our cookie. Throws WireError. */
  handleFirst(message: Message, path: Path, now: Instant): void {
    if (message.exchange === Exchange.aggressive) {
      const detail =
        'aggressive mode shows the hash of the key to whoever asks: leave the group name of the VPN empty on the device';
      this.#refuse(message, path, { code: 'aggressive-mode', type: NotifyType.invalidExchange, detail }, now);
      return;
    }
    if (
      message.exchange !== Exchange.main ||
      message.messageId !== 0 ||
      message.flags !== 0 ||
      message.rest.length > LONGEST
    ) {
      this.#context.stats.unknown++;
      return;
    }
    const digest = digestOf(message.rest);
    const key = keyOf(message.initiatorCookie, this.#cookie(message.initiatorCookie, path));
    const known = this.first.get(key);
    if (known === undefined) this.#answer(message, digest, key, path, now);
    else this.#answerAgain(known, digest, path);
  }

  /** Whether its sender, who came back with our cookie, may have a key exchange and a place now. A peer that means it asks again. */
  admits({ source, offer }: FirstMessage, now: Instant): boolean {
    const { halfOpen, exchangeBudget } = this.#context;
    const { group } = offer.choice.suite;
    if (!exchangeBudget.allows(source, group, now) || !halfOpen.makeRoom(source, now)) return false;
    exchangeBudget.take(source, group, now);
    return true;
  }

  #answer(message: Message, digest: string, key: string, path: Path, now: Instant): void {
    const offer = this.#read(message, digest, path.remote.address);
    if ('code' in offer) {
      this.#refuse(message, path, { ...offer, type: NotifyType.noProposalChosen }, now);
      return;
    }
    const first = { key, offer, source: path.remote.address, at: now, resends: 0 };
    this.first.add(first);
    this.#reply(first, path);
  }

  #reply({ key, offer }: FirstMessage, path: Path): void {
    const [initiatorCookie, responderCookie] = cookiesOf(key);
    const header = { initiatorCookie, responderCookie, exchange: Exchange.main, flags: 0, messageId: 0 };
    this.#context.transmit(encodeMessage(header, PayloadType.securityAssociation, offer.answer), path);
  }

  /** What is behind the header, and our answer to it or why there is none. Throws WireError. */
  #read(message: Message, digest: string, remoteAddress: string): FirstOffer | Refusal {
    const methods = [...this.#context.authentications(remoteAddress)];
    const key = `${digest} ${message.firstPayload} ${methods}`;
    const known = this.#offers.get(key);
    if (known !== undefined) return known;
    const offer = this.#choose(message, digest, methods);
    if (this.#offers.size >= MOST_OFFERS) this.#offers.clear();
    this.#offers.set(key, offer);
    return offer;
  }

  #choose({ firstPayload, rest }: Message, digest: string, methods: readonly Authentication[]): FirstOffer | Refusal {
    const { list } = decodePayloads(firstPayload, rest);
    const saBody = bodyOf(list, PayloadType.securityAssociation)?.slice() ?? new Uint8Array(0);
    const { weak = false, phase1 } = this.#context.options.algorithms ?? {};
    const choice = choosePhase1(decodeSecurityAssociation(saBody), phase1Policy(methods, weak, phase1));
    if (choice.kind === 'none') {
      const keyless = methods.length === 0 ? '; there is no key for this address' : '';
      const code = methods.length === 0 ? 'no-key' : 'no-proposal';
      return { code, detail: `${sideBySide(choice)}${keyless}`, offers: choice };
    }
    const vendor = peerAbilities(bodiesOf(list, PayloadType.vendorId));
    const sa = { type: PayloadType.securityAssociation, body: encodeSecurityAssociation(choice.answer) };
    const payloads: Payload[] = [sa];
    let room = rest.length - 4 - sa.body.length;
    for (const body of responderVendorIds(vendor).map(vendorId)) {
      room -= body.length + 4;
      if (room >= 0) payloads.push({ type: PayloadType.vendorId, body });
    }
    return { saBody, choice, vendor, answer: encodePayloads(payloads), digest };
  }

  #answerAgain(known: FirstMessage, digest: string, path: Path): void {
    this.#context.stats.duplicates++;
    if (digest !== known.offer.digest || known.resends >= MOST_RESENDS) return;
    known.resends++;
    this.#reply(known, path);
  }

  #refuse(
    message: Message,
    path: Path,
    { code, type, detail, offers }: { code: IkeFailure; type: number; detail: string; offers?: NoneChosen },
    now: Instant,
  ): void {
    this.#context.stats.refused++;
    if (!this.#telling.ask(path.remote.address, now)) return;
    this.#context.emit({ kind: 'refused', path, code, detail, offers });
    const payload = notify(type, ProtocolId.isakmp);
    const answer = encodePayloads([payload]);
    if (answer.length > message.rest.length) return;
    const { initiatorCookie } = message;
    const header = {
      initiatorCookie,
      responderCookie: noCookie,
      exchange: Exchange.informational,
      flags: 0,
      messageId: 0,
    };
    this.#context.transmit(encodeMessage(header, payload.type, answer), path);
  }

  #cookie(initiatorCookie: Uint8Array, { remote }: Path): Uint8Array {
    const hmac = createHmac('sha256', this.#secret).update(initiatorCookie).update(`${remote.address} ${remote.port}`);
    return hmac.digest().subarray(0, COOKIE_BYTES);
  }
}
