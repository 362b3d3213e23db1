/**
 * Main mode as responder (RFC 2409, section 5). The first pair of messages is `acceptor.ts`: it keeps no more than a record.
 *
 *   KE, Ni, NAT-D, NAT-D            ->
 *                                   <-   KE, Nr, NAT-D, NAT-D [, CERTREQ]
 *   ID, HASH or CERT and SIG        ->                                        all encrypted from here
 *                                   <-   ID, HASH or CERT and SIG
 */
import type { Instant, Path } from '@culvert/base';
import { certificatePayloads, certificateRequests, signOurs, verifyPeer } from './certificates.ts';
import type { IkeFailure } from './face.ts';
import type { FirstMessage } from './half-open.ts';
import { decodeIdentification } from './identification.ts';
import type { IkeSa, MainMode } from './ike-sa.ts';
import { drawSeed } from './key-exchange.ts';
import type { Phase1Keys } from './keys.ts';
import {
  authenticationHash,
  findNat,
  finish,
  keyExchangeOf,
  keysOf,
  NONCE_BYTES,
  natPayloadsOf,
  nonceOf,
  ownIdentityBody,
  type Sides,
  type Suspicion,
} from './main-mode.ts';
import { bodyOf, type Payload, PayloadType } from './message.ts';
import { decodeNotification, NotifyType } from './notification.ts';
import { sameSecret } from './same.ts';

export class MainModeResponder implements MainMode {
  suspicion: Suspicion = { code: 'timeout', detail: 'the peer stopped in the middle of main mode' };
  readonly #sa: IkeSa;
  readonly #first: FirstMessage;
  #sides: Sides | undefined;

  constructor(sa: IkeSa, first: FirstMessage) {
    this.#sa = sa;
    this.#first = first;
  }

  suspect(code: IkeFailure, detail: string): void {
    this.suspicion = { code, detail };
  }

  handle(list: readonly Payload[], accept: () => void, path: Path, now: Instant): void {
    if (this.#sides === undefined) this.#handleKeyExchange(list, accept, path);
    else this.#handleIdentity(list, accept, now);
  }

  #handleKeyExchange(list: readonly Payload[], accept: () => void, path: Path): void {
    const sa = this.#sa;
    const { suite } = this.#first.choice;
    const initiatorPublic = keyExchangeOf(list);
    const initiatorNonce = nonceOf(list);
    accept();
    findNat(sa, suite, list, path);
    const seed = drawSeed(sa.context.options.random);
    const responderNonce = sa.context.options.random.bytes(NONCE_BYTES);
    sa.working = true;
    sa.context.exchangeKeys({ group: suite.group, seed, peerValue: initiatorPublic }, (result, now) => {
      if (sa.closed) return;
      sa.working = false;
      if (result === undefined)
        return sa.close('protocol', 'protocol', "the peer's key exchange value is no member of the group");
      const sides = { initiatorPublic, initiatorNonce, responderNonce, responderPublic: result.publicValue };
      const keys = keysOf(sa, suite, result.sharedSecret, sides);
      if (keys === undefined)
        return sa.close('no-key', 'refused', 'there is no pre-shared key for this address any more');
      this.#sides = sides;
      const signs = suite.authentication !== 'pre-shared-key';
      const answer = [
        { type: PayloadType.keyExchange, body: result.publicValue },
        { type: PayloadType.nonce, body: responderNonce },
        ...(signs ? certificateRequests(sa.context.options.certificate) : []),
        ...natPayloadsOf(sa, suite),
      ];
      sa.sendMain(answer, false, 'reply', now);
      sa.keys = keys;
    });
  }

  #handleIdentity(list: readonly Payload[], accept: () => void, now: Instant): void {
    const sa = this.#sa;
    const { keys } = sa;
    const sides = this.#sides;
    const idBody = bodyOf(list, PayloadType.identification)?.slice();
    if (keys === undefined || sides === undefined) return;
    if (idBody === undefined || idBody.length < 4) {
      this.#refuse('the pre-shared key differs');
      return;
    }
    const identity = decodeIdentification(idBody);
    const hash = authenticationHash(sa, keys, 'initiator', { sides, saBody: this.#first.saBody, idBody });
    const initialContact = list.some(isInitialContact);
    if (keys.suite.authentication === 'pre-shared-key') {
      if (!sameSecret(hash, bodyOf(list, PayloadType.hash) ?? new Uint8Array(0))) {
        this.#refuse('the hash of its key is wrong');
        return;
      }
      accept();
      this.#answerWithHash(keys, sides, now);
      this.#finish(keys, { identity, certificates: [] }, initialContact, now);
      return;
    }
    verifyPeer(sa, list, hash, (proof) => {
      if (typeof proof === 'string') {
        sa.close('authentication', 'refused', proof);
        return;
      }
      accept();
      this.#answerWithSignature(keys, sides, (then) => this.#finish(keys, proof, initialContact, then));
    });
  }

  #refuse(detail: string): void {
    this.suspect('wrong-key', detail);
    this.#sa.context.stats.unauthenticated++;
    this.#sa.countFailure();
  }

  #answerWithHash(keys: Phase1Keys, sides: Sides, now: Instant): void {
    const sa = this.#sa;
    const idBody = ownIdentityBody(sa, keys.suite);
    const hash = authenticationHash(sa, keys, 'responder', { sides, saBody: this.#first.saBody, idBody });
    const answer = [
      { type: PayloadType.identification, body: idBody },
      { type: PayloadType.hash, body: hash },
    ];
    sa.sendMain(answer, true, 'reply', now);
  }

  #answerWithSignature(keys: Phase1Keys, sides: Sides, done: (now: Instant) => void): void {
    const sa = this.#sa;
    const idBody = ownIdentityBody(sa, keys.suite);
    const hash = authenticationHash(sa, keys, 'responder', { sides, saBody: this.#first.saBody, idBody });
    signOurs(sa, hash, (signature, now) => {
      const id = { type: PayloadType.identification, body: idBody };
      sa.sendMain([id, ...certificatePayloads(sa.context.options.certificate), signature], true, 'reply', now);
      done(now);
    });
  }

  #finish(keys: Phase1Keys, proof: Parameters<typeof finish>[2], initialContact: boolean, now: Instant): void {
    const sa = this.#sa;
    sa.context.halfOpen.leave(sa.source);
    sa.identity = proof.identity;
    // Before the new SA takes over the children of an old one.
    if (initialContact) sa.onInitialContact?.();
    finish(sa, keys, proof, now);
  }
}

function isInitialContact({ type, body }: Payload): boolean {
  return type === PayloadType.notification && decodeNotification(body).type === NotifyType.initialContact;
}
