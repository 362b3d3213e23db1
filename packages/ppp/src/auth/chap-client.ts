/**
 * The peer that answers CHAP's challenges (RFC 1994), with MD5 or MS-CHAPv2 (RFC 2759).
 *
 * With MS-CHAPv2 the server has to prove itself too: a Success without the right proof ends the link, whatever it says.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Instant, RandomSource } from '@culvert/base';
import { sameBytes } from '../bytes.ts';
import { type ControlPacket, decodeControlPacket, encodeControlPacket } from '../packet.ts';
import { PppProtocol } from '../protocol.ts';
import {
  CHALLENGE_BYTES,
  ChapCode,
  decodeFailure,
  decodeProof,
  decodeValue,
  encodeMsChapV2Response,
  encodeValue,
} from './chap-packet.ts';
import { Exchange } from './exchange.ts';
import type { AuthEvent, AuthMachine, AuthMaterial } from './machine.ts';
import { generateNtResponse, materialOf, ntPasswordHash } from './mschapv2.ts';
import { decodeMessage, encodeText } from './text.ts';

/** Chosen by us: how long a server may take to ask, and to judge. */
const PATIENCE = 30_000;

export interface ChapClientOptions {
  readonly algorithm: 'md5' | 'mschapv2';
  readonly username: string;
  readonly password: string;
  readonly random: RandomSource;
}

/** The answer to one challenge, and what is expected of the server for it. */
interface Answer {
  readonly id: number;
  readonly challenge: Uint8Array;
  readonly response: Uint8Array;
  readonly proof: Uint8Array | undefined;
  readonly material: AuthMaterial | undefined;
}

export class ChapClient implements AuthMachine {
  readonly protocol = PppProtocol.chap;
  readonly #options: ChapClientOptions;
  readonly #exchange = new Exchange();
  #answer: Answer | undefined;
  #succeeded = false;

  constructor(options: ChapClientOptions) {
    this.#options = options;
  }

  start(now: Instant): void {
    this.#exchange.wait((now + PATIENCE) as Instant);
  }
  handlePacket(bytes: Uint8Array, now: Instant): void {
    const packet = decodeControlPacket(bytes);
    if (packet === undefined || this.#exchange.isOver) return;
    if (packet.code === ChapCode.challenge) this.#handleChallenge(packet, now);
    else if (packet.id !== this.#answer?.id) return;
    else if (packet.code === ChapCode.success) this.#handleSuccess(this.#answer, packet.body);
    else if (packet.code === ChapCode.failure) this.#handleFailure(packet.body);
  }
  handleTimeout(now: Instant): void {
    if (this.#exchange.handleTimeout(now)) return;
    const reason = this.#answer === undefined ? 'the server sent no challenge' : 'the server did not judge our answer';
    this.#exchange.tell({ kind: 'failed', reason, unanswered: true });
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

  /** A challenge may come at any time, also of a link that is up (RFC 1994, section 2). */
  #handleChallenge({ id, body }: ControlPacket, now: Instant): void {
    const challenge = decodeValue(body)?.value;
    if (challenge === undefined) return;
    if (this.#answer?.id === id && sameBytes(this.#answer.challenge, challenge)) {
      this.#exchange.send(this.#answer.response);
      return;
    }
    const answer = this.#options.algorithm === 'md5' ? this.#answerMd5(id, challenge) : this.#answerMs(id, challenge);
    if (answer === undefined) return;
    this.#answer = answer;
    this.#exchange.repeat(() => answer.response, now);
  }

  #answerMd5(id: number, challenge: Uint8Array): Answer {
    const { username, password } = this.#options;
    const value = createHash('md5').update(Uint8Array.of(id)).update(encodeText(password)).update(challenge).digest();
    const response = encodeControlPacket(ChapCode.response, id, encodeValue(value, username));
    return { id, challenge: challenge.slice(), response, proof: undefined, material: undefined };
  }

  #answerMs(id: number, challenge: Uint8Array): Answer | undefined {
    if (challenge.length !== CHALLENGE_BYTES) return undefined;
    const { username, password, random } = this.#options;
    const exchange = {
      username,
      authenticatorChallenge: challenge.slice(),
      peerChallenge: random.bytes(CHALLENGE_BYTES),
    };
    const passwordHash = ntPasswordHash(password);
    const ntResponse = generateNtResponse(exchange, passwordHash);
    const material = materialOf(exchange, passwordHash, ntResponse);
    passwordHash.fill(0);
    const value = encodeMsChapV2Response({ peerChallenge: exchange.peerChallenge, ntResponse });
    return {
      id,
      challenge: exchange.authenticatorChallenge,
      response: encodeControlPacket(ChapCode.response, id, encodeValue(value, username)),
      proof: encodeText(material.authenticatorResponse),
      material,
    };
  }

  #handleSuccess({ proof, material }: Answer, message: Uint8Array): void {
    if (proof !== undefined) {
      const shown = decodeProof(message);
      if (shown === undefined || !timingSafeEqual(shown, proof)) {
        const reason =
          'the server let us in without proving that it knows the password: it is not the one it claims to be';
        this.#exchange.tell({ kind: 'failed', reason });
        return;
      }
    }
    this.#exchange.settle();
    if (this.#succeeded) return;
    this.#succeeded = true;
    this.#exchange.tell({ kind: 'succeeded', identity: this.#options.username, material });
  }

  #handleFailure(message: Uint8Array): void {
    if (this.#options.algorithm === 'md5') {
      const said = decodeMessage(message);
      this.#exchange.tell({ kind: 'failed', reason: `the server refused us${said === '' ? '' : `: ${said}`}` });
      return;
    }
    // We have one password, so a second try would be refused as the first one was.
    const { reason, ...detail } = decodeFailure(message);
    this.#exchange.tell({ kind: 'failed', reason, detail });
  }
}
