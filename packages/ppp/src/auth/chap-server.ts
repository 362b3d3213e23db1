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
  #challenge: Uint8Array;
  #claims = 0;
  #waiting: { readonly claim: number; readonly username: string; readonly response: Uint8Array } | undefined;
  /** The last response that was judged, and what it was told: the same again gets the same. */
  #judged: { readonly id: number; readonly response: Uint8Array; readonly answer: Uint8Array } | undefined;
  #done = false;

  constructor(options: ChapServerOptions) {
    this.#options = options;
    this.#id = options.random.bytes(1)[0] ?? 0;
    this.#challenge = options.random.bytes(CHALLENGE_BYTES);
  }

  start(now: Instant): void {
    const body = encodeValue(this.#challenge, this.#options.name);
    this.#exchange.repeat(encodeControlPacket(ChapCode.challenge, this.#id, body), now);
  }
  handlePacket(bytes: Uint8Array): void {
    const packet = decodeControlPacket(bytes);
    if (packet?.code !== ChapCode.response) return;
    const judged = this.#judged;
    if (judged?.id === packet.id && sameBytes(judged.response, packet.body)) this.#exchange.send(judged.answer);
    else if (packet.id === this.#id && this.#waiting === undefined && !this.#done) this.#handleResponse(packet);
  }
  handleTimeout(now: Instant): void {
    if (this.#exchange.handleTimeout(now)) return;
    const reason = this.#judged === undefined ? 'the peer did not answer our challenge' : 'the peer did not try again';
    this.#finish({ kind: 'failed', reason });
  }
  handleVerdict(claim: number, verdict: AuthVerdict, now: Instant): void {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.claim !== claim) return;
    this.#waiting = undefined;
    if (verdict.kind === 'admitted') {
      this.#admit(waiting, verdict);
      return;
    }
    const retry = verdict.retry && this.#claims < MOST_TRIES && this.#options.algorithm === 'mschapv2';
    const next = this.#options.random.bytes(CHALLENGE_BYTES);
    const isMs = this.#options.algorithm === 'mschapv2';
    const message = isMs ? encodeFailure({ ...verdict, retry }, next) : encodeText(verdict.message);
    this.#answer(waiting.response, ChapCode.failure, message);
    if (!retry) {
      this.#finish({ kind: 'failed', reason: `${waiting.username} was refused`, detail: verdict });
      return;
    }
    // The peer answers the challenge of the Failure, with the next identifier (RFC 2759, section 6).
    this.#challenge = next;
    this.#id = (this.#id + 1) & 0xff;
    this.#exchange.wait((now + RETRY_PATIENCE) as Instant);
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

  #handleResponse({ id, body }: ControlPacket): void {
    const value = decodeValue(body);
    const username = value && decodeName(value.name);
    const claim = value && username !== undefined ? this.#claimOf(id, username, value) : undefined;
    if (username === undefined || claim === undefined) return;
    this.#exchange.settle();
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

  #admit(
    { username, response }: { readonly username: string; readonly response: Uint8Array },
    { material }: AuthVerdict & { readonly kind: 'admitted' },
  ): void {
    const proof = material?.authenticatorResponse;
    if (this.#options.algorithm === 'mschapv2' && proof === undefined) {
      // The peer would end the link with error 778; better to say here whose fault it is.
      this.#finish({ kind: 'failed', reason: `${username} was admitted without the proof that MS-CHAPv2 needs` });
      return;
    }
    this.#answer(response, ChapCode.success, proof === undefined ? encodeText('Access granted') : encodeSuccess(proof));
    this.#finish({ kind: 'succeeded', identity: username, material });
  }

  #answer(response: Uint8Array, code: number, message: Uint8Array): void {
    const answer = encodeControlPacket(code, this.#id, message);
    this.#judged = { id: this.#id, response, answer };
    this.#exchange.send(answer);
  }

  #finish(event: AuthEvent): void {
    this.#done = true;
    this.#exchange.settle();
    this.#exchange.tell(event);
  }
}
