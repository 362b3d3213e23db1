/** Quick mode as initiator; the chart is in quick-mode-responder.ts. */
import type { Instant, Path } from '@culvert/base';
import { formatAddress } from '@culvert/wire';
import { shorterOf } from '../attributes.ts';
import { encodeIdentification, identificationOfSelector } from '../identification.ts';
import { Exchange, type Message } from '../message.ts';
import { addressBytes } from '../nat-detection.ts';
import { shortestLife } from '../notification.ts';
import { bodyOf, encodePayloads, type Payload, type Payloads, PayloadType } from '../payload.ts';
import { acceptedPhase2, espOffer, type Phase2Chosen, type Phase2Terms, phase2Offer } from '../phase2-proposal.ts';
import {
  decodeSecurityAssociation,
  encodeSecurityAssociation,
  type Proposal,
  ProtocolId,
} from '../security-association.ts';
import { Echo } from './echo.ts';
import { type ChildId, type ChildRequest, type IkeFailure, later } from './face.ts';
import type { IkeSa } from './ike-sa.ts';
import { drawSeed, type KeyExchangeResult } from './key-exchange.ts';
import { u32 } from './keys.ts';
import { keyExchangeOf, NONCE_BYTES, nonceOf } from './main-mode.ts';
import { describePhase2, encapsulationOf } from './proposals.ts';
import { makeChild, type Nonces, originalAddresses, peerOriginal, quickHash, quickHash3 } from './quick-mode.ts';
import { KEPT, type QuickMode } from './quick-modes.ts';
import { Retransmission } from './retransmission.ts';
import { sameSecret } from './same.ts';

export interface QuickModeStart {
  readonly messageId: number;
  readonly request: ChildRequest;
  readonly replaces: ChildId | undefined;
  readonly now: Instant;
}

export class QuickModeInitiator implements QuickMode {
  deadline: Instant;
  over = false;
  readonly authenticated = true;
  readonly #sa: IkeSa;
  readonly #messageId: number;
  readonly #request: ChildRequest;
  readonly #replaces: ChildId | undefined;
  readonly #spi: number;
  readonly #nonce: Uint8Array;
  readonly #seed: Uint8Array | undefined;
  readonly #terms: Phase2Terms;
  readonly #offer: readonly Proposal[];
  #state: 'working' | 'asked' | 'done' = 'working';
  #retransmission: Retransmission | undefined;
  #iv: Uint8Array | undefined;
  #answerDigest = '';
  #last: Uint8Array | undefined;
  /** The answer's hash covers our nonce. */
  readonly #echo = new Echo();

  constructor(sa: IkeSa, { messageId, request, replaces, now }: QuickModeStart) {
    this.#sa = sa;
    this.#messageId = messageId;
    this.#request = request;
    this.#replaces = replaces;
    this.deadline = later(now, KEPT);
    const { options, lifetimes } = sa.context;
    const { mode, group } = request;
    this.#spi = options.allocateSpi();
    this.#nonce = options.random.bytes(NONCE_BYTES);
    const nat = sa.encapsulates ? (sa.nat ?? 'rfc') : undefined;
    const algorithms = options.algorithms?.esp ?? espOffer(options.algorithms?.weak === true);
    this.#terms = { algorithms, encapsulation: encapsulationOf(mode, nat), group };
    this.#offer = phase2Offer(this.#terms, u32(this.#spi), lifetimes.phase2Seconds);
    if (group === undefined) {
      this.#ask(undefined, now);
      return;
    }
    this.#seed = drawSeed(options.random);
    const ask = (result: KeyExchangeResult | undefined, at: Instant) => {
      if (!this.over && !sa.closed && result !== undefined) this.#ask(result.publicValue, at);
    };
    sa.context.exchangeKeys({ group, seed: this.#seed }, ask, (detail) => this.#giveWay(detail));
  }

  get pending(): boolean {
    return this.#state !== 'done' && !this.over;
  }

  handle(message: Message, digest: string, path: Path, now: Instant): void {
    if (digest === this.#answerDigest) {
      this.#confirmAgain();
      return;
    }
    if (this.#state !== 'asked' || this.over) return;
    const sa = this.#sa;
    const opened = sa.open(message, this.#iv);
    const expected = opened && quickHash(sa, this.#messageId, this.#nonce, opened.payloads.afterFirst);
    if (opened === undefined || expected === undefined || !sameSecret(expected, opened.hash)) {
      sa.context.stats.unauthenticated++;
      return;
    }
    sa.heard(path, now);
    if (this.#echo.proves(sa.path)) sa.handleEcho(now);
    this.#handleAnswer(opened.payloads, opened.iv, digest, now);
  }

  handleTimeout(now: Instant): void {
    const due = this.#retransmission?.due(now);
    if (due === 'send' && this.#retransmission !== undefined) {
      this.#sa.context.stats.retransmits++;
      this.#send(this.#retransmission.datagram);
    }
    if (due === 'give-up') {
      this.refuse('timeout', 'the peer does not answer to quick mode');
      return;
    }
    if (this.#retransmission !== undefined) this.deadline = this.#retransmission.at;
    else if (this.pending) this.refuse('timeout', 'a key exchange takes too long');
    else this.close();
  }

  close(): void {
    if (this.pending) this.#comeToNothing();
    this.over = true;
  }

  /** It came to nothing. */
  refuse(code: IkeFailure, detail: string): void {
    const { context, id } = this.#sa;
    this.close();
    const offer = code === 'no-proposal' ? `; we offered ${describePhase2(this.#offer)}` : '';
    context.emit({ kind: 'child-failed', ikeSa: id, code, detail: `${detail}${offer}` });
  }

  #comeToNothing(): void {
    const { options, children } = this.#sa.context;
    options.releaseSpi?.(this.#spi);
    if (this.#replaces !== undefined) children.keep(this.#replaces);
  }

  #ask(publicValue: Uint8Array | undefined, now: Instant): void {
    const sa = this.#sa;
    const { local, remote, mode } = this.#request;
    const nat = sa.encapsulates && mode === 'transport';
    const addresses = [addressBytes(sa.path.local.address), addressBytes(sa.path.remote.address)] as const;
    const payloads: Payload[] = [
      { type: PayloadType.securityAssociation, body: encodeSecurityAssociation(this.#offer) },
      { type: PayloadType.nonce, body: this.#nonce },
      ...(publicValue ? [{ type: PayloadType.keyExchange, body: publicValue }] : []),
      ...[local, remote].map(identificationPayload),
      ...(nat ? originalAddresses(sa, ...addresses) : []),
    ];
    const hash = quickHash(sa, this.#messageId, encodePayloads(payloads));
    const { datagram, iv } = sa.seal(Exchange.quick, this.#messageId, undefined, hash, payloads);
    this.#iv = iv;
    this.#state = 'asked';
    this.#retransmission = new Retransmission(datagram, sa.path, now);
    this.deadline = this.#retransmission.at;
    sa.context.schedule(sa);
    this.#send(datagram);
  }

  #send(request: Uint8Array): void {
    this.#echo.sent(this.#sa.path);
    this.#sa.transmit(request);
  }

  #handleAnswer({ list }: Payloads, iv: Uint8Array, digest: string, now: Instant): void {
    const sa = this.#sa;
    const { group, mode, local, remote } = this.#request;
    const answer = decodeSecurityAssociation(
      bodyOf(list, PayloadType.securityAssociation)?.slice() ?? new Uint8Array(0),
    );
    const choice = acceptedPhase2(answer, this.#terms);
    if (choice.kind === 'none') {
      this.refuse('no-proposal', `the peer chose what we did not offer: ${describePhase2(answer)}`);
      return;
    }
    const ids = list.filter(({ type }) => type === PayloadType.identification);
    const ours = [local, remote].map(identificationPayload);
    const same =
      ids.length === 0 || ours.every(({ body }, i) => Buffer.compare(body, ids[i]?.body ?? new Uint8Array(0)) === 0);
    // Windows answers to transport mode with its own idea of the addresses.
    if (!same && mode === 'tunnel') {
      this.refuse('selectors', 'the peer answered with other networks than we asked for');
      return;
    }
    const nonces = { initiator: this.#nonce, responder: nonceOf(list) };
    const original = peerOriginal(sa, list)?.slice();
    const peerValue = group === undefined ? undefined : keyExchangeOf(list);
    const asked = { seconds: sa.context.lifetimes.phase2Seconds, kilobytes: undefined };
    const lifetimes = shortestLife(list, ProtocolId.esp, shorterOf(asked, choice.lifetimes));
    const agreed = { ...choice, lifetimes };
    this.#answerDigest = digest;
    this.#retransmission = undefined;
    this.#state = 'working';
    this.deadline = later(now, KEPT);
    if (group === undefined || this.#seed === undefined) {
      this.#confirm(agreed, { nonces, iv, original, sharedSecret: undefined }, now);
      return;
    }
    const request = { group, seed: this.#seed, peerValue };
    const confirm = (result: KeyExchangeResult | undefined, at: Instant) => {
      if (this.over || sa.closed) return;
      if (result === undefined)
        return this.refuse('protocol', "the peer's key exchange value is no member of the group");
      this.#confirm(agreed, { nonces, iv, original, sharedSecret: result.sharedSecret }, at);
    };
    sa.context.exchangeKeys(request, confirm, (detail) => this.#giveWay(detail));
  }

  #giveWay(detail: string): void {
    if (!this.over && !this.#sa.closed) this.refuse('busy', detail);
  }

  #confirm(
    choice: Phase2Chosen,
    {
      nonces,
      iv,
      original,
      sharedSecret,
    }: { nonces: Nonces; iv: Uint8Array; original: Uint8Array | undefined; sharedSecret: Uint8Array | undefined },
    now: Instant,
  ): void {
    const sa = this.#sa;
    const { children } = sa.context;
    const hash = quickHash3(sa, this.#messageId, nonces);
    this.#last = sa.seal(Exchange.quick, this.#messageId, iv, hash, []).datagram;
    this.#state = 'done';
    this.deadline = later(now, KEPT);
    sa.transmit(this.#last);
    const { local, remote } = this.#request;
    const made = makeChild(sa, { choice, inboundSpi: this.#spi, sharedSecret, nonces, local, remote });
    const replaces = this.#replaces;
    const { seconds: lifeSeconds, kilobytes: lifeKilobytes } = choice.lifetimes;
    const child = children.create(
      {
        ikeSa: sa.id,
        claim: sa.claim,
        sa: made,
        path: sa.path,
        peerOriginal: original && formatAddress(original),
        request: this.#request,
        lifeSeconds,
        lifeKilobytes,
        replaces,
      },
      now,
    );
    child.hears = sa.hears;
    if (replaces === undefined || children.get(replaces) === undefined) {
      children.ready(child);
      return;
    }
    children.readyByTraffic(child, now);
    children.retire(replaces, now);
  }

  #confirmAgain(): void {
    this.#sa.context.stats.duplicates++;
    if (this.#last !== undefined) this.#sa.transmit(this.#last);
  }
}

function identificationPayload(selector: ChildRequest['local']): Payload {
  return { type: PayloadType.identification, body: encodeIdentification(identificationOfSelector(selector)) };
}
