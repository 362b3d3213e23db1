/**
 * What a peer asks for and does not get: kept while LCP and EAP look for a way that both ends allow, so that the end of a link that found
 * none can tell why.
 */

import { hex } from '../bytes.ts';

/** A peer may ask for whatever it likes; so many words do. */
const MOST_WORDS = 8;

/** By protocol field, and by the algorithm of CHAP (RFC 1661, section 6.2; RFC 1994, section 3; RFC 2759, section 1). */
const protocols: Readonly<Record<string, string>> = {
  c023: 'PAP',
  c22305: 'CHAP with MD5',
  c22380: 'MS-CHAP',
  c22381: 'MS-CHAPv2',
  c227: 'EAP',
  c027: 'SPAP',
};

/** By type (RFC 3748, section 5, and IANA's list). */
const eapMethods: Readonly<Record<number, string>> = {
  4: 'EAP with MD5',
  5: 'EAP with one-time passwords',
  6: 'EAP with token cards (GTC)',
  13: 'EAP-TLS',
  18: 'EAP-SIM',
  21: 'EAP-TTLS',
  25: 'PEAP',
  26: 'EAP with MSCHAPv2',
  43: 'EAP-FAST',
};

export class AuthDemands {
  readonly #who: string;
  readonly #allowed: readonly string[];
  readonly #refused: string[] = [];

  /**
   * @param who "the server"
   * @param allowed what it may ask for, for people; nothing: we prove nothing
   */
  constructor(who: string, allowed: readonly string[]) {
    this.#who = who;
    this.#allowed = allowed;
  }

  refuse(what: string): void {
    if (this.#refused.length < MOST_WORDS && !this.#refused.includes(what)) this.#refused.push(what);
  }

  /** The peer asks for what is allowed: earlier wishes are no hindrance any more. */
  accept(): void {
    this.#refused.length = 0;
  }

  /** "the server asks for PAP, which is not allowed here (allowed: MS-CHAPv2)"; undefined: nothing was refused. */
  get sentence(): string | undefined {
    const [first, ...more] = this.#refused;
    if (first === undefined) return undefined;
    const asks = `${this.#who} asks for ${[first, ...more].join(', then ')}`;
    if (this.#allowed.length === 0) return `${asks}, and we have no proof to show`;
    return `${asks}, which ${more.length === 0 ? 'is' : 'are'} not allowed here (allowed: ${this.#allowed.join(', ')})`;
  }
}

/** @param option the data of LCP's authentication option */
export function nameOfAuthentication(option: Uint8Array): string {
  const text = hex(option.subarray(0, 4));
  return (
    protocols[text] ?? protocols[text.slice(0, 4)] ?? (text === '' ? 'another way' : `authentication protocol ${text}`)
  );
}

export function nameOfEapMethod(type: number): string {
  return eapMethods[type] ?? `EAP method ${type}`;
}
