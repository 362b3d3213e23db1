/**
 * EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2-02): MS-CHAPv2 in EAP's clothes, with a word more from the client at the end.
 *
 *   | op code 1 | MS-CHAPv2 id 1 | MS length 2 | as in CHAP ... |        the client's last word is the op code alone
 */
import { timingSafeEqual } from 'node:crypto';
import type { RandomSource } from '@culvert/base';
import { encodeControlPacket } from '../packet.ts';
import {
  CHALLENGE_BYTES,
  ChapCode,
  decodeFailure,
  decodeMsChapV2Response,
  decodeProof,
  decodeValue,
  encodeFailure,
  encodeMsChapV2Response,
  encodeSuccess,
  encodeValue,
} from './chap-packet.ts';
import type { EapClientMethod, EapClientStep, EapFailed, EapServerMethod, EapServerStep } from './eap-method.ts';
import { EapType } from './eap-packet.ts';
import type { AuthMaterial, AuthVerdict } from './machine.ts';
import { generateNtResponse, materialOf, ntPasswordHash } from './mschapv2.ts';
import { decodeName, encodeText } from './text.ts';

const HEADER_BYTES = 4;

export class EapMsChapV2Server implements EapServerMethod {
  readonly type = EapType.mschapv2;
  readonly #name: string;
  readonly #random: RandomSource;
  readonly #challenge: Uint8Array;
  #id = 0;
  #username = '';
  /** Where the client's last word is awaited: what comes of it. */
  #end: (EapFailed | { readonly kind: 'succeeded'; readonly material: AuthMaterial | undefined }) | undefined;

  constructor(options: { readonly name: string; readonly random: RandomSource }) {
    this.#name = options.name;
    this.#random = options.random;
    this.#challenge = options.random.bytes(CHALLENGE_BYTES);
  }
  begin(id: number): Uint8Array {
    this.#id = id;
    return encodeControlPacket(ChapCode.challenge, id, encodeValue(this.#challenge, this.#name));
  }
  handleResponse(data: Uint8Array): EapServerStep | undefined {
    if (this.#end !== undefined) {
      // Who says Failure to our Success does not believe our proof.
      const expected = this.#end.kind === 'succeeded' ? ChapCode.success : ChapCode.failure;
      if (data[0] === expected) return this.#end;
      return { kind: 'failed', reason: `${this.#username} did not confirm the outcome` };
    }
    const body = bodyOf(data, ChapCode.response);
    const value = body && decodeValue(body.bytes);
    const response = value && decodeMsChapV2Response(value.value);
    const username = value && decodeName(value.name);
    if (response === undefined || username === undefined || body?.id !== this.#id) return undefined;
    this.#username = username;
    const claim = { method: 'mschapv2', username, authenticatorChallenge: this.#challenge, ...response } as const;
    return { kind: 'claim', identity: username, claim };
  }
  handleVerdict(verdict: AuthVerdict): EapServerStep {
    if (verdict.kind === 'refused') {
      // One try: the session begins anew sooner than a person finds another password.
      const failure = encodeFailure({ ...verdict, retry: false }, this.#random.bytes(CHALLENGE_BYTES));
      this.#end = { kind: 'failed', reason: `${this.#username} was refused`, detail: verdict };
      return { kind: 'ask', data: encodeControlPacket(ChapCode.failure, this.#id, failure) };
    }
    const proof = verdict.material?.authenticatorResponse;
    if (proof === undefined) {
      return { kind: 'failed', reason: `${this.#username} was admitted without the proof that MS-CHAPv2 needs` };
    }
    this.#end = { kind: 'succeeded', material: verdict.material };
    return { kind: 'ask', data: encodeControlPacket(ChapCode.success, this.#id, encodeSuccess(proof)) };
  }
}

export interface EapMsChapV2ClientOptions {
  readonly username: string;
  readonly password: string;
  readonly random: RandomSource;
}

export class EapMsChapV2Client implements EapClientMethod {
  readonly type = EapType.mschapv2;
  readonly #options: EapMsChapV2ClientOptions;
  #expected: { readonly id: number; readonly proof: Uint8Array; readonly material: AuthMaterial } | undefined;
  outcome: { readonly material: AuthMaterial } | undefined;

  constructor(options: EapMsChapV2ClientOptions) {
    this.#options = options;
  }
  handleRequest(data: Uint8Array): EapClientStep | undefined {
    const code = data[0];
    const body = code === undefined ? undefined : bodyOf(data, code);
    if (body === undefined) return undefined;
    if (code === ChapCode.challenge) return this.#handleChallenge(body.id, body.bytes);
    if (this.#expected === undefined) return undefined;
    if (code === ChapCode.success) return this.#handleSuccess(body.bytes);
    if (code !== ChapCode.failure) return undefined;
    const { reason, ...detail } = decodeFailure(body.bytes);
    const failed: EapFailed = { kind: 'failed', reason, detail };
    return { kind: 'answer', data: Uint8Array.of(ChapCode.failure), failed };
  }

  #handleChallenge(id: number, body: Uint8Array): EapClientStep | undefined {
    const challenge = decodeValue(body)?.value;
    if (challenge?.length !== CHALLENGE_BYTES) return undefined;
    const { username, password, random } = this.#options;
    const peerChallenge = random.bytes(CHALLENGE_BYTES);
    const exchange = { username, authenticatorChallenge: challenge.slice(), peerChallenge };
    const passwordHash = ntPasswordHash(password);
    const ntResponse = generateNtResponse(exchange, passwordHash);
    const material = materialOf(exchange, passwordHash, ntResponse);
    passwordHash.fill(0);
    this.#expected = { id, proof: encodeText(material.authenticatorResponse), material };
    this.outcome = undefined;
    const value = encodeValue(encodeMsChapV2Response({ peerChallenge, ntResponse }), username);
    return { kind: 'answer', data: encodeControlPacket(ChapCode.response, id, value) };
  }

  #handleSuccess(message: Uint8Array): EapClientStep {
    const shown = decodeProof(message);
    const expected = this.#expected;
    if (expected === undefined || shown === undefined || !timingSafeEqual(shown, expected.proof)) {
      const reason =
        'the server let us in without proving that it knows the password: it is not the one it claims to be';
      const failed: EapFailed = { kind: 'failed', reason };
      return { kind: 'answer', data: Uint8Array.of(ChapCode.failure), failed };
    }
    this.outcome = { material: expected.material };
    return { kind: 'answer', data: Uint8Array.of(ChapCode.success) };
  }
}

/** The message in EAP's data. MS length covers it as a packet's length does; what lies behind is padding. */
function bodyOf(data: Uint8Array, code: number): { readonly id: number; readonly bytes: Uint8Array } | undefined {
  const [first, id, high = 0, low = 0] = data;
  const length = (high << 8) | low;
  if (first !== code || id === undefined || length < HEADER_BYTES || length > data.length) return undefined;
  return { id, bytes: data.subarray(HEADER_BYTES, length) };
}
