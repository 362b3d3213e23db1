/** EAP's MD5-Challenge (RFC 3748, section 5.4): CHAP with MD5 in EAP's clothes. It proves no server and gives no key. */
import { createHash } from 'node:crypto';
import type { RandomSource } from '@culvert/base';
import { CHALLENGE_BYTES, decodeValue, encodeValue } from './chap-packet.ts';
import type { EapClientMethod, EapClientStep, EapServerMethod, EapServerStep } from './eap-method.ts';
import { EapType } from './eap-packet.ts';
import type { AuthVerdict } from './machine.ts';
import { encodeText } from './text.ts';

const MD5_BYTES = 16;

export class EapMd5Server implements EapServerMethod {
  readonly type = EapType.md5;
  readonly #identity: string;
  readonly #name: string;
  readonly #challenge: Uint8Array;
  #id = 0;

  constructor(options: { readonly identity: string; readonly name: string; readonly random: RandomSource }) {
    this.#identity = options.identity;
    this.#name = options.name;
    this.#challenge = options.random.bytes(CHALLENGE_BYTES);
  }
  begin(id: number): Uint8Array {
    this.#id = id;
    return encodeValue(this.#challenge, this.#name);
  }
  handleResponse(data: Uint8Array): EapServerStep | undefined {
    const response = decodeValue(data)?.value;
    if (response?.length !== MD5_BYTES) return undefined;
    const username = this.#identity;
    const [id, challenge] = [this.#id, this.#challenge];
    const claim = { method: 'chap-md5', username, id, challenge, response: response.slice() } as const;
    return { kind: 'claim', identity: username, claim };
  }
  handleVerdict(verdict: AuthVerdict): EapServerStep {
    if (verdict.kind === 'admitted') return { kind: 'succeeded', material: verdict.material };
    return { kind: 'failed', reason: `${this.#identity} was refused`, detail: verdict };
  }
}

export class EapMd5Client implements EapClientMethod {
  readonly type = EapType.md5;
  readonly #options: { readonly username: string; readonly password: string };
  outcome: { readonly material: undefined } | undefined;

  constructor(options: { readonly username: string; readonly password: string }) {
    this.#options = options;
  }
  handleRequest(data: Uint8Array, id: number): EapClientStep | undefined {
    const challenge = decodeValue(data)?.value;
    if (challenge === undefined) return undefined;
    const { username, password } = this.#options;
    const value = createHash('md5').update(Uint8Array.of(id)).update(encodeText(password)).update(challenge).digest();
    this.outcome = { material: undefined };
    return { kind: 'answer', data: encodeValue(value, username) };
  }
}
