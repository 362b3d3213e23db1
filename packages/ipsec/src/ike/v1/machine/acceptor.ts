/**
 * The first pair of messages of main mode as responder: what a stranger can make us do (RFC 2409, section 5; RFC 2408, section 2.5.3).
 *
 *   SA, VID...      ->
 *                   <-    SA with one transform, VID...      never longer than the question
 *
 * Our cookie is an HMAC of the peer's address, port and cookie. The SA payload is hashed at the end of main mode and does not come again, so
 * that a record of it must stay; nothing else does, and no key exchange is made before the cookie comes back from the same address.
 */
import { createHmac } from 'node:crypto';
import type { Instant, Path } from '@culvert/base';
import { sideBySide } from '../offers.ts';
import { choosePhase1, phase1Policy } from '../phase1-proposal.ts';
import { decodeSecurityAssociation, encodeSecurityAssociation, ProtocolId } from '../security-association.ts';
import { peerAbilities, responderVendorIds, vendorId } from '../vendor-id.ts';
import type { Context } from './context.ts';
import type { IkeFailure } from './face.ts';
import { type FirstMessage, FirstMessages } from './half-open.ts';
import {
  bodyOf,
  COOKIE_BYTES,
  decodePayloads,
  Exchange,
  encodeMessage,
  encodePayloads,
  type Payload,
  PayloadType,
  type RawMessage,
} from './message.ts';
import { NotifyType, notify } from './notification.ts';
import { digestOf } from './same.ts';

/** Against a lost answer; more would serve whoever forges the address. */
const MOST_RESENDS = 3;
/** Refusals are told, in events and on the wire, so often. */
const REFUSAL_PAUSE = 1000;
const HEADERS = 28;

export class Acceptor {
  readonly first: FirstMessages;
  readonly #context: Context;
  readonly #secret: Uint8Array;
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(context: Context) {
    this.#context = context;
    this.first = new FirstMessages(context.limits);
    this.#secret = context.options.random.bytes(32);
  }

  /** A message without our cookie. Throws WireError. */
  handleFirst(message: RawMessage, datagram: Uint8Array, path: Path, now: Instant): void {
    if (message.exchange === Exchange.aggressive) {
      const detail =
        'aggressive mode shows the hash of the key to whoever asks: leave the group name of the VPN empty on the device';
      this.#refuse(message, path, { code: 'aggressive-mode', type: NotifyType.invalidExchange, detail }, now);
      return;
    }
    if (message.exchange !== Exchange.main || message.messageId !== 0 || message.flags !== 0) {
      this.#context.stats.unknown++;
      return;
    }
    const digest = digestOf(datagram);
    const responderCookie = this.#cookie(message.initiatorCookie, path);
    const key = keyOf(message.initiatorCookie, responderCookie);
    const known = this.first.get(key);
    if (known === undefined)
      this.#answer(message, { digest, responderCookie, key, length: datagram.length }, path, now);
    else this.#answerAgain(known, digest, path);
  }

  #answer(
    message: RawMessage,
    {
      digest,
      responderCookie,
      key,
      length,
    }: { digest: string; responderCookie: Uint8Array; key: string; length: number },
    path: Path,
    now: Instant,
  ): void {
    const { list } = decodePayloads(message.firstPayload, message.rest);
    const saBody = bodyOf(list, PayloadType.securityAssociation)?.slice() ?? new Uint8Array(0);
    const proposals = decodeSecurityAssociation(saBody);
    const { options } = this.#context;
    const authentications = this.#context.authentications(path.remote.address);
    const choice = choosePhase1(proposals, phase1Policy([...authentications], options.algorithms?.weak === true));
    if (choice.kind === 'none') {
      const keyless = authentications.size === 0 ? '; there is no key for this address' : '';
      const detail = `${sideBySide(choice)}${keyless}`;
      const code = authentications.size === 0 ? 'no-key' : 'no-proposal';
      this.#refuse(message, path, { code, type: NotifyType.noProposalChosen, detail }, now);
      return;
    }
    const vendor = peerAbilities(list.filter(({ type }) => type === PayloadType.vendorId).map(({ body }) => body));
    const payloads: Payload[] = [
      {
        type: PayloadType.securityAssociation,
        body: encodeSecurityAssociation(choice.answer),
      },
    ];
    let room = length - HEADERS - 4 - (payloads[0]?.body.length ?? 0);
    for (const body of responderVendorIds(vendor).map(vendorId)) {
      room -= body.length + 4;
      if (room >= 0) payloads.push({ type: PayloadType.vendorId, body });
    }
    const header = {
      initiatorCookie: message.initiatorCookie,
      responderCookie,
      exchange: Exchange.main,
      flags: 0,
      messageId: 0,
    };
    const reply = encodeMessage(header, PayloadType.securityAssociation, encodePayloads(payloads));
    const initiatorCookie = message.initiatorCookie.slice();
    const source = path.remote.address;
    this.first.add({
      key,
      initiatorCookie,
      responderCookie,
      saBody,
      choice,
      vendor,
      digest,
      reply,
      source,
      at: now,
      resends: 0,
    });
    this.#context.schedule(this.first.nextExpiry());
    this.#context.transmit(reply, path);
  }

  #answerAgain(known: FirstMessage, digest: string, path: Path): void {
    this.#context.stats.duplicates++;
    if (digest !== known.digest || known.resends >= MOST_RESENDS) return;
    known.resends++;
    this.#context.transmit(known.reply, path);
  }

  #refuse(
    message: RawMessage,
    path: Path,
    { code, type, detail }: { code: IkeFailure; type: number; detail: string },
    now: Instant,
  ): void {
    this.#context.stats.refused++;
    if (now < this.#refusedAt + REFUSAL_PAUSE) return;
    this.#refusedAt = now;
    this.#context.emit({ kind: 'refused', path, code, detail });
    const payload = notify(type, ProtocolId.isakmp);
    const messageId = 0;
    const { initiatorCookie } = message;
    const header = {
      initiatorCookie,
      responderCookie: new Uint8Array(COOKIE_BYTES),
      exchange: Exchange.informational,
      flags: 0,
      messageId,
    };
    this.#context.transmit(encodeMessage(header, payload.type, encodePayloads([payload])), path);
  }

  #cookie(initiatorCookie: Uint8Array, { remote }: Path): Uint8Array {
    const hmac = createHmac('sha256', this.#secret).update(initiatorCookie).update(`${remote.address} ${remote.port}`);
    return hmac.digest().subarray(0, COOKIE_BYTES);
  }
}

export function keyOf(initiatorCookie: Uint8Array, responderCookie: Uint8Array): string {
  return Buffer.concat([initiatorCookie, responderCookie]).toString('latin1');
}
