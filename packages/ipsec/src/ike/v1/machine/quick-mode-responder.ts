/**
 * Quick mode as responder (RFC 2409, section 5.5).
 *
 *   HASH(1), SA, Ni [, KE] [, IDci, IDcr] [, NAT-OA, NAT-OA]    ->
 *                                                               <-   HASH(2), SA, Nr [, KE] [, IDci, IDcr] [, NAT-OA, NAT-OA]
 *   HASH(3)                                                     ->
 *
 * The identifications go back byte for byte: what Windows, macOS and Android put into them differs, and none takes another.
 */
import type { Instant, Path } from '@culvert/base';
import { formatAddress, WireError } from '@culvert/wire';
import type { ChildSa } from '../../../child-sa.ts';
import { Exchange, type Message } from '../message.ts';
import { addressBytes } from '../nat-detection.ts';
import { NotifyType, notify, responderLifetime } from '../notification.ts';
import { type NoneChosen, sideBySide } from '../offers.ts';
import { encodePayloads, type Payload, type Payloads, PayloadType } from '../payload.ts';
import type { Phase2Chosen } from '../phase2-proposal.ts';
import { decodeSecurityAssociation, encodeSecurityAssociation, ProtocolId } from '../security-association.ts';
import { lessThanAsked, type NewChild } from './children.ts';
import { Echo } from './echo.ts';
import { type ChildId, type IkeFailure, later } from './face.ts';
import type { IkeSa } from './ike-sa.ts';
import { drawSeed, type KeyExchangeResult } from './key-exchange.ts';
import { u32 } from './keys.ts';
import { keyExchangeOf, NONCE_BYTES, nonceOf } from './main-mode.ts';
import { answerPhase2 } from './proposals.ts';
import {
  makeChild,
  type Nonces,
  originalAddresses,
  peerOriginal,
  quickHash,
  quickHash3,
  selectorOf,
} from './quick-mode.ts';
import { KEPT, type QuickMode } from './quick-modes.ts';
import { Retransmission } from './retransmission.ts';
import { sameSecret } from './same.ts';

const MOST_RESENDS = 5;

interface Request {
  readonly choice: Phase2Chosen;
  readonly initiatorNonce: Uint8Array;
  readonly identities: readonly Payload[];
  readonly original: Uint8Array | undefined;
  readonly peerValue: Uint8Array | undefined;
  readonly iv: Uint8Array;
}

export class QuickModeResponder implements QuickMode {
  deadline: Instant;
  over = false;
  authenticated = false;
  readonly #sa: IkeSa;
  readonly #messageId: number;
  #state: 'new' | 'working' | 'answered' | 'done' = 'new';
  #digest = '';
  #reply: { readonly datagram: Uint8Array; readonly iv: Uint8Array } | undefined;
  #nonces: Nonces = { initiator: new Uint8Array(0), responder: new Uint8Array(0) };
  #retransmission: Retransmission | undefined;
  #resends = 0;
  #child: ChildId | undefined;
  /** Its nonce goes to the peer's endpoint alone, and HASH(3) shows that it was heard there. */
  readonly #echo = new Echo();
  /** Made only then: what it may take the place of is known no sooner. */
  #claimed: Omit<NewChild, 'replaces'> | undefined;

  constructor(sa: IkeSa, messageId: number, now: Instant) {
    this.#sa = sa;
    this.#messageId = messageId;
    this.deadline = later(now, KEPT);
  }

  get pending(): boolean {
    return this.#state !== 'done' && !this.over;
  }

  handle(message: Message, digest: string, path: Path, now: Instant): void {
    if (digest === this.#digest) {
      this.#answerAgain();
      return;
    }
    if (this.#state === 'new') this.#handleRequest(message, digest, path, now);
    else if (this.#state === 'answered') this.#handleLast(message, path, now);
  }

  handleTimeout(now: Instant): void {
    const confirmed = this.#child !== undefined && this.#sa.context.children.get(this.#child)?.ready;
    if (confirmed && this.#state === 'answered') this.#handleConfirmed(now);
    const due = this.#state === 'answered' ? this.#retransmission?.due(now) : undefined;
    if (due === 'send' && this.#retransmission !== undefined) {
      this.#sa.context.stats.retransmits++;
      this.#sendReply();
      this.deadline = this.#retransmission.at;
    } else if (due === 'give-up') {
      this.#dropChild();
      this.over = true;
    } else if (this.#state !== 'answered') this.over = true;
    else if (this.#retransmission !== undefined) this.deadline = this.#retransmission.at;
  }

  close(): void {
    this.over = true;
    this.#dropClaimed();
  }

  #handleRequest(message: Message, digest: string, path: Path, now: Instant): void {
    const sa = this.#sa;
    const opened = sa.open(message);
    const expected = opened && quickHash(sa, this.#messageId, opened.payloads.afterFirst);
    if (opened === undefined || expected === undefined || !sameSecret(expected, opened.hash)) {
      sa.context.stats.unauthenticated++;
      this.over = true;
      return;
    }
    this.authenticated = true;
    this.#digest = digest;
    sa.heard(path, now);
    const request = this.#read(opened.payloads, opened.iv);
    if (request === undefined) return;
    const { group } = request.choice;
    if (group === undefined) {
      this.#answer(request, undefined, now);
      return;
    }
    const { exchangeBudget } = sa.context;
    if (!exchangeBudget.allows(sa.source, group, now)) {
      sa.context.stats.tooMany++;
      this.#giveWay('too many key exchanges in a short time');
      return;
    }
    exchangeBudget.take(sa.source, group, now);
    this.#state = 'working';
    const seed = drawSeed(sa.context.options.random);
    const answer = (result: KeyExchangeResult | undefined, at: Instant) => {
      if (this.over || sa.closed) return;
      if (result === undefined)
        return this.#refuse('protocol', NotifyType.invalidKey, 'the key exchange value is no member of the group');
      this.#answer(request, result, at);
    };
    const exchange = { group, seed, peerValue: request.peerValue, once: true };
    sa.context.exchangeKeys(exchange, answer, (detail) => this.#giveWay(detail));
  }

  /** Undefined: refused. Throws WireError. */
  #read({ list }: Payloads, iv: Uint8Array): Request | undefined {
    const sa = this.#sa;
    const { options } = sa.context;
    const proposals = decodeSecurityAssociation(
      list[1]?.type === PayloadType.securityAssociation ? list[1].body.slice() : new Uint8Array(0),
    );
    const wishes = {
      ...options.algorithms,
      encapsulate: sa.encapsulates,
      tunnel: options.acceptSelectors !== undefined,
    };
    const choice = answerPhase2(proposals, wishes);
    if (choice.kind === 'none')
      return this.#refuse('no-proposal', NotifyType.noProposalChosen, sideBySide(choice), choice);
    if (choice.group !== undefined && !list.some(({ type }) => type === PayloadType.keyExchange))
      return this.#refuse('no-proposal', NotifyType.noProposalChosen, 'the peer offers a group and no key exchange');
    const identities = list.filter(({ type }) => type === PayloadType.identification).map(copy);
    if (identities.length !== 0 && identities.length !== 2)
      throw new WireError('CULVERT_WIRE_VALUE', 'one identification or three');
    return {
      choice,
      identities,
      iv,
      initiatorNonce: nonceOf(list),
      original: peerOriginal(sa, list)?.slice(),
      peerValue: choice.group === undefined ? undefined : keyExchangeOf(list),
    };
  }

  #answer(
    request: Request,
    exchanged: { publicValue: Uint8Array; sharedSecret: Uint8Array } | undefined,
    now: Instant,
  ): void {
    const sa = this.#sa;
    const { context, path } = sa;
    const { choice, identities, original } = request;
    const transport = choice.mode === 'transport';
    const remote = selectorOf(identities[0]?.body, path.remote.address, transport);
    const local = selectorOf(identities[1]?.body, path.local.address, transport);
    if (context.options.acceptSelectors?.({ mode: choice.mode, local, remote }) === false)
      return void this.#refuse(
        'selectors',
        NotifyType.invalidId,
        `the peer wants ${remote.network} to ${local.network}`,
      );
    const inboundSpi = context.options.allocateSpi();
    const nonce = context.options.random.bytes(NONCE_BYTES);
    this.#nonces = { initiator: request.initiatorNonce, responder: nonce };
    const spi = u32(inboundSpi);
    const originals = original === undefined ? [] : originalAddresses(sa, original, addressBytes(path.local.address));
    const less = lessThanAsked(choice.lifetimes, choice.algorithms, context.lifetimes);
    const answer = [
      {
        type: PayloadType.securityAssociation,
        body: encodeSecurityAssociation(choice.answer(spi)),
      },
      { type: PayloadType.nonce, body: nonce },
      ...(exchanged ? [{ type: PayloadType.keyExchange, body: exchanged.publicValue }] : []),
      ...identities,
      ...originals,
      ...(less === undefined ? [] : [responderLifetime(ProtocolId.esp, spi, less)]),
    ];
    const hash = quickHash(sa, this.#messageId, request.initiatorNonce, encodePayloads(answer));
    this.#reply = sa.seal(Exchange.quick, this.#messageId, request.iv, hash, answer);
    const sharedSecret = exchanged?.sharedSecret;
    const child = makeChild(sa, { choice, inboundSpi, sharedSecret, nonces: this.#nonces, local, remote });
    const { seconds: lifeSeconds, kilobytes: lifeKilobytes } = choice.lifetimes;
    const peerOriginal = original && formatAddress(original);
    const from = { ikeSa: sa.id, claim: sa.claim, sa: child, path, peerOriginal, lifeSeconds, lifeKilobytes };
    if (sa.isClaim(now)) this.#claimed = { ...from, request: undefined };
    else this.#create({ ...from, request: undefined }, now);
    this.#state = 'answered';
    this.#retransmission = new Retransmission(this.#reply.datagram, path, now);
    this.deadline = this.#retransmission.at;
    context.schedule(sa);
    this.#sendReply();
  }

  #create(from: Omit<NewChild, 'replaces'>, now: Instant): void {
    const { context, heir } = this.#sa;
    const replaced = context.children.alike(heir.id, from.sa, now);
    const sa = replaced === undefined ? from.sa : { ...from.sa, ...narrowed(from.sa, replaced.sa) };
    this.#child = context.children.create({ ...from, ikeSa: heir.id, sa, replaces: replaced?.id }, now).id;
  }

  #sendReply(): void {
    if (this.#reply === undefined) return;
    this.#echo.sent(this.#sa.path);
    this.#sa.transmit(this.#reply.datagram);
  }

  #handleLast(message: Message, path: Path, now: Instant): void {
    const sa = this.#sa;
    const opened = sa.open(message, this.#reply?.iv);
    if (opened === undefined || !sameSecret(quickHash3(sa, this.#messageId, this.#nonces), opened.hash)) {
      sa.context.stats.unauthenticated++;
      return;
    }
    sa.heard(path, now);
    this.#handleConfirmed(now);
  }

  /** By HASH(3), or by ESP. */
  #handleConfirmed(now: Instant): void {
    const sa = this.#sa;
    const hears = this.#echo.proves(sa.path);
    if (hears) sa.handleEcho(now);
    if (this.#claimed !== undefined) this.#create({ ...this.#claimed, path: sa.path }, now);
    this.#claimed = undefined;
    const child = this.#child === undefined ? undefined : sa.context.children.get(this.#child);
    if (child !== undefined) {
      child.hears = hears;
      sa.context.children.ready(child);
    }
    this.#state = 'done';
    this.#retransmission = undefined;
    this.deadline = later(now, KEPT);
  }

  #answerAgain(): void {
    this.#sa.context.stats.duplicates++;
    if (this.#reply === undefined || this.#state !== 'answered' || this.#resends >= MOST_RESENDS) return;
    this.#resends++;
    this.#sa.context.stats.retransmits++;
    this.#sendReply();
  }

  #refuse(code: IkeFailure, type: number, detail: string, offers?: NoneChosen): undefined {
    this.#giveUp(code, detail, offers);
    this.#sa.inform(notify(type, ProtocolId.esp));
    return undefined;
  }

  #giveWay(detail: string): void {
    if (!this.over && !this.#sa.closed) this.#giveUp('busy', detail);
  }

  #giveUp(code: IkeFailure, detail: string, offers?: NoneChosen): void {
    const { context, id: ikeSa } = this.#sa;
    this.over = true;
    context.stats.refused++;
    context.emit({ kind: 'child-failed', ikeSa, code, detail, offers });
  }

  #dropChild(): void {
    const child = this.#child === undefined ? undefined : this.#sa.context.children.get(this.#child);
    if (child !== undefined && !child.ready) this.#sa.context.children.delete(child, 'expiry');
    this.#dropClaimed();
  }

  #dropClaimed(): void {
    if (this.#claimed !== undefined) this.#sa.context.options.releaseSpi?.(this.#claimed.sa.inbound.spi);
    this.#claimed = undefined;
  }
}

/** No more comes in by the next pair than by the one before, however wide its selectors are. */
function narrowed({ local, remote }: ChildSa, by: ChildSa): Pick<ChildSa, 'local' | 'remote'> {
  const { protocol, port } = by.local;
  return {
    local: { ...local, protocol, port },
    remote: { ...remote, protocol: by.remote.protocol, port: by.remote.port },
  };
}

function copy({ type, body }: Payload): Payload {
  return { type, body: body.slice() };
}
