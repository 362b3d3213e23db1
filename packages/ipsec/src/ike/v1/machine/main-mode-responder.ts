/**
 * Main mode as responder (RFC 2409, section 5). The first pair of messages is `acceptor.ts`: it keeps no more than a record.
 *
 *   KE, Ni, NAT-D, NAT-D            ->
 *                                   <-   KE, Nr, NAT-D, NAT-D [, CERTREQ]
 *   ID, HASH or CERT and SIG        ->                                        all encrypted from here
 *                                   <-   ID, HASH or CERT and SIG
 */
import type { Instant, Path } from '@culvert/base';
import { decodeIdentification } from '../identification.ts';
import { decodeNotification, NotifyType, responderLifetime } from '../notification.ts';
import { bodyOf, type Payload, PayloadType } from '../payload.ts';
import { ProtocolId } from '../security-association.ts';
import type { SignatureMethod } from '../signature.ts';
import { certificatePayloads, certificateRequests, signOurs, verifyPeer } from './certificates.ts';
import type { IkeFailure } from './face.ts';
import type { FirstOffer } from './half-open.ts';
import type { IkeSa } from './ike-sa.ts';
import { drawSeed, type KeyExchangeResult } from './key-exchange.ts';
import type { Phase1Keys } from './keys.ts';
import {
  distrust,
  findNat,
  finish,
  keyDiffers,
  keyExchangeOf,
  keysOf,
  type MainMode,
  NONCE_BYTES,
  natPayloadsOf,
  nonceOf,
  ownIdentityBody,
  proofHash,
  type Sides,
  type Suspicion,
} from './main-mode.ts';
import { sameSecret } from './same.ts';

export class MainModeResponder implements MainMode {
  suspicion: Suspicion = { code: 'timeout', detail: 'the peer stopped in the middle of main mode' };
  readonly #sa: IkeSa;
  readonly #offer: FirstOffer;
  #sides: Sides | undefined;

  constructor(sa: IkeSa, offer: FirstOffer) {
    this.#sa = sa;
    this.#offer = offer;
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
    const { suite } = this.#offer.choice;
    const initiatorPublic = keyExchangeOf(list);
    const initiatorNonce = nonceOf(list);
    accept();
    findNat(sa, suite, list, path);
    const seed = drawSeed(sa.context.options.random);
    const responderNonce = sa.context.options.random.bytes(NONCE_BYTES);
    sa.working = true;
    const send = (result: KeyExchangeResult | undefined, now: Instant) => {
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
      this.suspect('timeout', `the peer stopped after the key exchange: ${whyStopped(sa, signs)}`);
    };
    const request = { group: suite.group, seed, peerValue: initiatorPublic, once: true };
    sa.context.exchangeKeys(request, send, (detail) => sa.giveWay(detail));
  }

  #handleIdentity(list: readonly Payload[], accept: () => void, now: Instant): void {
    const sa = this.#sa;
    const { keys } = sa;
    const sides = this.#sides;
    const idBody = bodyOf(list, PayloadType.identification)?.slice();
    if (keys === undefined || sides === undefined) return;
    if (idBody === undefined || idBody.length < 4) {
      this.#refuse(keyDiffers);
      return;
    }
    const identity = decodeIdentification(idBody);
    const hash = proofHash(sa, keys, 'initiator', { sides, saBody: this.#offer.saBody, idBody });
    const initialContact = list.some(isInitialContact);
    const { authentication: method } = keys.suite;
    if (method === 'pre-shared-key') {
      if (!sameSecret(hash, bodyOf(list, PayloadType.hash) ?? new Uint8Array(0))) {
        this.#refuse('the hash of its key is wrong');
        return;
      }
      accept();
      this.#answerWithHash(keys, sides, now);
      this.#finish(keys, { identity, certificates: [] }, initialContact, now);
      return;
    }
    verifyPeer(sa, method, list, hash, now, (proof) => {
      accept();
      if (typeof proof === 'string') {
        distrust(sa, proof);
        return;
      }
      this.#answerWithSignature(method, keys, sides, (then) => this.#finish(keys, proof, initialContact, then));
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
    const hash = proofHash(sa, keys, 'responder', { sides, saBody: this.#offer.saBody, idBody });
    const answer = [
      { type: PayloadType.identification, body: idBody },
      { type: PayloadType.hash, body: hash },
      ...this.#lessThanAsked(),
    ];
    sa.sendMain(answer, true, 'reply', now);
  }

  #answerWithSignature(method: SignatureMethod, keys: Phase1Keys, sides: Sides, done: (now: Instant) => void): void {
    const sa = this.#sa;
    const idBody = ownIdentityBody(sa, keys.suite);
    const hash = proofHash(sa, keys, 'responder', { sides, saBody: this.#offer.saBody, idBody });
    signOurs(sa, method, hash, (signature, now) => {
      const id = { type: PayloadType.identification, body: idBody };
      sa.sendMain(
        [id, ...certificatePayloads(sa.context.options.certificate), signature, ...this.#lessThanAsked()],
        true,
        'reply',
        now,
      );
      done(now);
    });
  }

  #lessThanAsked(): Payload[] {
    const { life, cookies, context } = this.#sa;
    const { mostSeconds: seconds } = context.lifetimes;
    if ((life.agreed.seconds ?? 0) <= seconds) return [];
    return [responderLifetime(ProtocolId.isakmp, cookies, { seconds })];
  }

  #finish(keys: Phase1Keys, proof: Parameters<typeof finish>[2], initialContact: boolean, now: Instant): void {
    const sa = this.#sa;
    sa.context.halfOpen.leave(sa);
    sa.identity = proof.identity;
    sa.startsAnew = initialContact;
    finish(sa, keys, proof, now);
  }
}

/** Its next message is its first one on port 4500, where that is agreed on, and with a certificate its longest. */
function whyStopped({ encapsulates }: IkeSa, signs: boolean): string {
  const why = encapsulates
    ? 'what it sends to UDP 4500 probably does not get here'
    : 'our answer probably does not get there';
  if (!signs) return why;
  return `${why}, or its certificate is lost in fragments on the way, or it has none that we would take`;
}

function isInitialContact({ type, body }: Payload): boolean {
  return type === PayloadType.notification && decodeNotification(body).type === NotifyType.initialContact;
}
