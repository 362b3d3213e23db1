/** The authenticator of CHAP (RFC 1994), with MD5 or MS-CHAPv2 (RFC 2759). It never sees a password: admission judges the answers. */
import type { Instant, RandomSource } from '@culvert/base';
import { sameBytes } from '../bytes.ts';
import { type ControlPacket, decodeControlPacket, encodeControlPacket } from '../packet.ts';
import { PppProtocol } from '../protocol.ts';
import {
  CHALLENGE_BYTES,
  ChapCode,
  type ChapValue,
  decodeMsChapV2Response,
  decodeValue,
  encodeFailure,
  encodeSuccess,
  encodeValue,
} from './chap-packet.ts';
import { Exchange } from './exchange.ts';
import type { AuthClaim, AuthEvent, AuthMachine, AuthVerdict } from './machine.ts';
import { decodeName, encodeText } from './text.ts';

const MD5_BYTES = 16;
// Chosen by us.
/** How long someone may take to type another password. */
const RETRY_PATIENCE = 60_000;
const MOST_TRIES = 3;
/** A peer that needed so long for one challenge has so many times as long for the next. */
const TIMES_LATENESS = 1.5;

export interface ChapServerOptions {
  readonly algorithm: 'md5' | 'mschapv2';
  /** Our own name in challenges. */
  readonly name: string;
  readonly random: RandomSource;
}

export class ChapServer implements AuthMachine {
  readonly protocol = PppProtocol.chap;
  readonly #options: ChapServerOptions;
  readonly #exchange = new Exchange();
  #id: number;
  #challenge: Uint8Array = new Uint8Array(0);
  /** When each challenge without response went out, by identifier. */
  readonly #asked = new Map<number, Instant>();
  #claims = 0;
  #waiting: { readonly claim: number; readonly username: string; readonly response: Uint8Array } | undefined;
  /** The last response that was judged, and what it was told: the same again gets the same. */
  #judged: { readonly id: number; readonly response: Uint8Array; readonly answer: Uint8Array } | undefined;
  #done = false;

  constructor(options: ChapServerOptions) {
    this.#options = options;
    this.#id = options.random.bytes(1)[0] ?? 0;
  }

  start(now: Instant): void {
    this.#exchange.repeat((at) => this.#challengeAnew(at), now);
  }
  handlePacket(bytes: Uint8Array, now: Instant): void {
    const packet = decodeControlPacket(bytes);
    if (packet?.code !== ChapCode.response) return;
    const judged = this.#judged;
    if (judged?.id === packet.id && sameBytes(judged.response, packet.body)) this.#exchange.send(judged.answer);
    else if (this.#waiting !== undefined || this.#done) return;
    else if (packet.id === this.#id) this.#handleResponse(packet);
    else this.#handleLateness(packet.id, now);
  }
  handleTimeout(now: Instant): void {
    if (this.#exchange.handleTimeout(now) || this.#done) return;
    if (this.#judged !== undefined) this.#finish({ kind: 'failed', reason: 'the peer did not try again' });
    else this.#finish({ kind: 'failed', reason: 'the peer did not answer our challenge', unanswered: true });
  }
  handleVerdict(claim: number, verdict: AuthVerdict, now: Instant): void {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.claim !== claim) return;
    this.#waiting = undefined;
    if (verdict.kind === 'admitted') {
      this.#admit(waiting, verdict, now);
      return;
    }
    const retry = verdict.retry && this.#claims < MOST_TRIES && this.#options.algorithm === 'mschapv2';
    const next = this.#options.random.bytes(CHALLENGE_BYTES);
    const isMs = this.#options.algorithm === 'mschapv2';
    const message = isMs ? encodeFailure({ ...verdict, retry }, next) : encodeText(verdict.message);
    this.#exchange.send(this.#answerTo(waiting.response, ChapCode.failure, message));
    if (!retry) {
      this.#finish({ kind: 'failed', reason: `${waiting.username} was refused`, detail: verdict });
      return;
    }
    // The peer answers the challenge of the Failure, with the next identifier (RFC 2759, section 6).
    this.#challenge = next;
    this.#id = (this.#id + 1) & 0xff;
    this.#exchange.wait((now + RETRY_PATIENCE) as Instant);
  }
  handleNetworkBegun(): void {
    if (this.#done) this.#exchange.settle();
  }
  dispose(): void {
    this.#exchange.settle();
  }
  pollTransmit(): Uint8Array | undefined {
    return this.#exchange.pollTransmit();
  }
  pollEvent(): AuthEvent | undefined {
    return this.#exchange.pollEvent();
  }
  pollTimeout(): Instant | undefined {
    return this.#exchange.pollTimeout();
  }

  /**
   * Each has its own identifier and value (RFC 1994, section 4.1), and the last one alone counts: pppd makes a response of its own to each,
   * takes the first Success for that of its last response, whatever its identifier, and leaves where the proof is another one's.
   */
  #challengeAnew(now: Instant): Uint8Array {
    this.#id = (this.#id + 1) & 0xff;
    this.#asked.set(this.#id, now);
    this.#challenge = this.#options.random.bytes(CHALLENGE_BYTES);
    return encodeControlPacket(ChapCode.challenge, this.#id, encodeValue(this.#challenge, this.#options.name));
  }

  /** Who is late for one challenge would be late for each: so the last one, and any further, gets more time. */
  #handleLateness(id: number, now: Instant): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked !== undefined) this.#exchange.slowDown(TIMES_LATENESS * (now - asked));
  }

  #handleResponse({ id, body }: ControlPacket): void {
    const value = decodeValue(body);
    const username = value && decodeName(value.name);
    const claim = value && username !== undefined ? this.#claimOf(id, username, value) : undefined;
    if (username === undefined || claim === undefined) return;
    this.#exchange.settle();
    this.#asked.clear();
    this.#waiting = { claim: ++this.#claims, username, response: body.slice() };
    this.#exchange.tell({ kind: 'claim', id: this.#claims, claim });
  }

  #claimOf(id: number, username: string, { value }: ChapValue): AuthClaim | undefined {
    const challenge = this.#challenge;
    if (this.#options.algorithm === 'md5') {
      if (value.length !== MD5_BYTES) return undefined;
      return { method: 'chap-md5', username, id, challenge, response: value.slice() };
    }
    const response = decodeMsChapV2Response(value);
    return response && { method: 'mschapv2', username, authenticatorChallenge: challenge, ...response };
  }

  /**
   * A Success may be lost (RFC 1994, section 4.2). Not every peer repeats its response then: pppd waits (its chap.c), and throws away what
   * we send in the network phase. So it is told until it has begun that phase itself; who has heard it ignores the copies.
   */
  #admit(
    { username, response }: { readonly username: string; readonly response: Uint8Array },
    { material }: AuthVerdict & { readonly kind: 'admitted' },
    now: Instant,
  ): void {
    const proof = material?.authenticatorResponse;
    if (this.#options.algorithm === 'mschapv2' && proof === undefined) {
      // The peer would end the link with error 778; better to say here whose fault it is.
      this.#finish({ kind: 'failed', reason: `${username} was admitted without the proof that MS-CHAPv2 needs` });
      return;
    }
    const message = proof === undefined ? encodeText('Access granted') : encodeSuccess(proof);
    const success = this.#answerTo(response, ChapCode.success, message);
    this.#finish({ kind: 'succeeded', identity: username, material });
    this.#exchange.repeat(() => success, now);
  }

  #answerTo(response: Uint8Array, code: number, message: Uint8Array): Uint8Array {
    const answer = encodeControlPacket(code, this.#id, message);
    this.#judged = { id: this.#id, response, answer };
    return answer;
  }

  #finish(event: AuthEvent): void {
    this.#done = true;
    this.#exchange.settle();
    this.#exchange.tell(event);
  }
}
