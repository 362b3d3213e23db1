/**
 * Main mode as initiator (RFC 2409, section 5).
 *
 *   SA, VID...                      ->
 *                                   <-   SA, VID...
 *   KE, Ni, NAT-D, NAT-D            ->
 *                                   <-   KE, Nr, NAT-D, NAT-D [, CERTREQ]
 *   ID, HASH or CERT and SIG        ->                                        from port 4500 if there is a NAT; encrypted
 *                                   <-   ID, HASH or CERT and SIG
 */
import type { Instant, Path } from '@culvert/base';
import { decodeIdentification } from '../identification.ts';
import { NotifyType, notify, shortestLife } from '../notification.ts';
import { bodiesOf, bodyOf, type Payload, PayloadType } from '../payload.ts';
import {
  acceptedPhase1,
  chosenSuites,
  type Phase1Chosen,
  type Phase1Suite,
  phase1Offer,
  phase1Suites,
} from '../phase1-proposal.ts';
import {
  decodeSecurityAssociation,
  encodeSecurityAssociation,
  type Proposal,
  ProtocolId,
} from '../security-association.ts';
import { initiatorVendorIds, peerAbilities, vendorId } from '../vendor-id.ts';
import { certificatePayloads, certificateRequests, signOurs, verifyPeer } from './certificates.ts';
import { Echo } from './echo.ts';
import type { ConnectOptions, IkeFailure } from './face.ts';
import type { IkeSa } from './ike-sa.ts';
import { drawSeed, type KeyExchangeResult } from './key-exchange.ts';
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
import { describePhase1 } from './proposals.ts';
import { sameSecret } from './same.ts';

export class MainModeInitiator implements MainMode {
  suspicion: Suspicion = { code: 'timeout', detail: 'the peer does not answer' };
  readonly #sa: IkeSa;
  readonly #connect: ConnectOptions;
  readonly #firstContact: boolean;
  readonly #suites: readonly Phase1Suite[];
  readonly #offer: readonly Proposal[];
  readonly #saBody: Uint8Array;
  #choice: Phase1Chosen | undefined;
  #seed: Uint8Array = new Uint8Array(0);
  #ownPublic: Uint8Array = new Uint8Array(0);
  #ownNonce: Uint8Array = new Uint8Array(0);
  #sides: Sides | undefined;
  /** Its proof covers our nonce. */
  readonly #echo = new Echo();

  constructor(sa: IkeSa, connect: ConnectOptions, firstContact: boolean, now: Instant) {
    this.#sa = sa;
    this.#connect = connect;
    this.#firstContact = firstContact;
    const { options, lifetimes } = sa.context;
    const signs = options.certificate?.method ?? 'rsa-signature';
    const method = connect.authentication === 'pre-shared-key' ? 'pre-shared-key' : signs;
    const { phase1, weak = false } = options.algorithms ?? {};
    this.#suites = phase1 === undefined ? phase1Suites(method, weak) : chosenSuites(method, phase1);
    this.#offer = phase1Offer(this.#suites, lifetimes.phase1Seconds);
    this.#saBody = encodeSecurityAssociation(this.#offer);
    const vendorIds = initiatorVendorIds.map((name) => ({ type: PayloadType.vendorId, body: vendorId(name) }));
    sa.sendMain([{ type: PayloadType.securityAssociation, body: this.#saBody }, ...vendorIds], false, 'request', now);
  }

  suspect(code: IkeFailure, detail: string): void {
    this.suspicion = {
      code,
      detail: code === 'no-proposal' ? `${detail}; we offered ${describePhase1(this.#offer)}` : detail,
    };
  }

  handle(list: readonly Payload[], accept: () => void, path: Path, now: Instant): void {
    if (this.#choice === undefined) this.#handleChoice(list, accept);
    else if (this.#sides === undefined) this.#handleKeyExchange(list, accept, path);
    else this.#handleIdentity(list, accept, now);
  }

  #handleChoice(list: readonly Payload[], accept: () => void): void {
    const sa = this.#sa;
    const { random } = sa.context.options;
    const answer = decodeSecurityAssociation(bodyOf(list, PayloadType.securityAssociation) ?? new Uint8Array(0));
    const choice = acceptedPhase1(answer, this.#suites);
    if (choice.kind === 'none') {
      sa.close('no-proposal', 'refused', `the peer chose what we did not offer: ${describePhase1(answer)}`);
      return;
    }
    accept();
    sa.responderCookie = sa.offeredCookie ?? sa.responderCookie;
    this.#choice = choice;
    sa.life.agreed = choice.lifetimes;
    sa.vendor = peerAbilities(bodiesOf(list, PayloadType.vendorId));
    sa.nat = sa.vendor.nat?.flavour;
    this.#seed = drawSeed(random);
    this.#ownNonce = random.bytes(NONCE_BYTES);
    sa.working = true;
    const send = (result: KeyExchangeResult | undefined, now: Instant) => {
      if (sa.closed || result === undefined) return;
      sa.working = false;
      this.#ownPublic = result.publicValue;
      const request = [
        { type: PayloadType.keyExchange, body: this.#ownPublic },
        { type: PayloadType.nonce, body: this.#ownNonce },
        ...natPayloadsOf(sa, choice.suite),
      ];
      this.#echo.sent(sa.path);
      sa.sendMain(request, false, 'request', now);
    };
    const request = { group: choice.suite.group, seed: this.#seed };
    sa.context.exchangeKeys(request, send, (detail) => sa.giveWay(detail));
  }

  #handleKeyExchange(list: readonly Payload[], accept: () => void, path: Path): void {
    const sa = this.#sa;
    const { suite } = this.#choice ?? {};
    if (suite === undefined) return;
    const responderPublic = keyExchangeOf(list);
    const responderNonce = nonceOf(list);
    accept();
    findNat(sa, suite, list, path);
    sa.working = true;
    const request = { group: suite.group, seed: this.#seed, peerValue: responderPublic };
    const send = (result: KeyExchangeResult | undefined, now: Instant) => {
      if (sa.closed) return;
      sa.working = false;
      if (result === undefined)
        return sa.close('protocol', 'protocol', "the peer's key exchange value is no member of the group");
      const sides = {
        initiatorPublic: this.#ownPublic,
        initiatorNonce: this.#ownNonce,
        responderPublic,
        responderNonce,
      };
      const keys = keysOf(sa, suite, result.sharedSecret, sides);
      if (keys === undefined) return sa.close('no-key', 'refused', 'there is no pre-shared key for this address');
      this.#sides = sides;
      sa.keys = keys;
      if (sa.nat !== undefined && sa.encapsulates) sa.path = this.#connect.natPath;
      this.#sendIdentity(sides, now);
    };
    sa.context.exchangeKeys(request, send, (detail) => sa.giveWay(detail));
  }

  #sendIdentity(sides: Sides, now: Instant): void {
    const sa = this.#sa;
    const { keys } = sa;
    if (keys === undefined) return;
    const idBody = ownIdentityBody(sa, keys.suite);
    const hash = proofHash(sa, keys, 'initiator', { sides, saBody: this.#saBody, idBody });
    const id = { type: PayloadType.identification, body: idBody };
    // Behind NAT our identity is an address that others have too: the peer would take it for our old SA and end theirs.
    const first = this.#firstContact && !sa.localBehindNat;
    const contact = first ? [notify(NotifyType.initialContact, ProtocolId.isakmp, sa.cookies)] : [];
    const { authentication: method } = keys.suite;
    if (method === 'pre-shared-key') {
      this.suspicion = {
        code: 'wrong-key',
        detail: `the peer does not answer to our identity: ${keyDiffers}${onTheWay(sa)}`,
      };
      sa.sendMain([id, { type: PayloadType.hash, body: hash }, ...contact], true, 'request', now);
      return;
    }
    this.suspicion = {
      code: 'authentication',
      detail: `the peer does not answer to our certificate: it may not trust it${onTheWay(sa)}`,
    };
    const { certificate } = sa.context.options;
    signOurs(sa, method, hash, (signature, at) => {
      const rest = [...certificatePayloads(certificate), signature, ...certificateRequests(certificate), ...contact];
      sa.sendMain([id, ...rest], true, 'request', at);
    });
  }

  #handleIdentity(list: readonly Payload[], accept: () => void, now: Instant): void {
    const sa = this.#sa;
    const { keys } = sa;
    const sides = this.#sides;
    const idBody = bodyOf(list, PayloadType.identification)?.slice();
    if (keys === undefined || sides === undefined) return;
    if (idBody === undefined || idBody.length < 4) {
      this.suspect('wrong-key', keyDiffers);
      sa.countFailure();
      return;
    }
    const hash = proofHash(sa, keys, 'responder', { sides, saBody: this.#saBody, idBody });
    if (keys.suite.authentication === 'pre-shared-key') {
      if (!sameSecret(hash, bodyOf(list, PayloadType.hash) ?? new Uint8Array(0))) {
        this.suspect('wrong-key', keyDiffers);
        sa.countFailure();
        return;
      }
      accept();
      sa.hears = this.#echo.proves(sa.path);
      sa.life.agreed = shortestLife(list, ProtocolId.isakmp, sa.life.agreed);
      finish(sa, keys, { identity: decodeIdentification(idBody), certificates: [] }, now);
      return;
    }
    const life = shortestLife(list, ProtocolId.isakmp, sa.life.agreed);
    verifyPeer(sa, keys.suite.authentication, list, hash, now, (proof, at) => {
      accept();
      if (typeof proof === 'string') return distrust(sa, proof);
      sa.life.agreed = life;
      sa.hears = this.#echo.proves(sa.path);
      finish(sa, keys, proof, at);
    });
  }
}

/** Our identity is the first message on port 4500, where that is agreed on. */
function onTheWay({ encapsulates }: IkeSa): string {
  return encapsulates ? ', or what we send to UDP 4500 does not get there' : '';
}
