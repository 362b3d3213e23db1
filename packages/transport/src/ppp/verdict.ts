/**
 * What admission says to what a PPP peer shows, from the claim to the end of the link.
 *
 * Owns what was admitted: it is given back once, on every path.
 */
import type { CloseReason, Endpoint } from '@culvert/base';
import type { Admission, Admitted, Challenge, ChallengeResponse, Claim, Refused, TransportName } from '@culvert/core';
import type { AuthClaim, AuthRefusal, PppVerdict } from '@culvert/ppp';
import { networkFor } from './network.ts';

export interface VerdictsOptions {
  readonly transport: TransportName;
  readonly admission: Admission;
  readonly remote: Endpoint;
  /** What the peer says of itself. */
  readonly peerInfo: ReadonlyMap<string, string>;
}

/** Wrong name or password: the word for all refusals, which tells a stranger least. */
const REFUSED = 691;
/** For the owner of an account. */
const refusals = {
  disabled: { code: 647, message: 'this account is disabled' },
  barred: { code: 649, message: 'this account may not dial in here' },
} as const;

/** What admission is asked about, whatever a session was given to ask with. PAP has no keys for MPPE, and shows a password where nothing hides it. */
const proofs: Partial<Record<TransportName, readonly AuthClaim['method'][]>> = {
  pptp: ['mschapv2'],
  'l2tp-ipsec': ['mschapv2', 'pap'],
};

export class Verdicts {
  readonly #options: VerdictsOptions;
  readonly #abort = new AbortController();
  #admitted: Admitted | undefined;
  #refusal: string | undefined;
  #over = false;

  constructor(options: VerdictsOptions) {
    this.#options = options;
  }

  get admitted(): Admitted | undefined {
    return this.#admitted;
  }

  /** Why the peer may not come in, for our log. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Undefined: the peer is gone meanwhile. */
  async decide(claim: AuthClaim): Promise<PppVerdict | undefined> {
    const answer = await this.#ask(claim);
    if (!this.#over) return this.#verdictOf(claim, answer);
    if (answer.kind === 'admitted')
      answer.release({ cause: 'lost', detail: 'the peer was gone before it was admitted' });
    return undefined;
  }

  /** The peer is gone: gives back what was admitted. */
  end(reason: CloseReason): void {
    this.#over = true;
    this.#abort.abort();
    const admitted = this.#admitted;
    this.#admitted = undefined;
    admitted?.release(reason);
  }

  async #ask(claim: AuthClaim): Promise<Admitted | Challenge | Refused> {
    const { transport, admission, remote, peerInfo } = this.#options;
    const proof = proofs[transport]?.includes(claim.method) ? proofOf(claim) : undefined;
    if (proof === undefined) return { kind: 'refused', reason: `${claim.method} is not allowed`, tell: 'not allowed' };
    const shown: Claim = { transport, remote, certificate: undefined, ...proof, makesAddresses: true, peerInfo };
    try {
      return await admission.admit(shown, this.#abort.signal);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { kind: 'refused', reason: `admission failed: ${why}`, tell: 'the gateway cannot decide now, try again' };
    }
  }

  #verdictOf({ method }: AuthClaim, answer: Admitted | Challenge | Refused): PppVerdict {
    if (answer.kind === 'admitted') {
      const { material } = answer;
      if (material !== undefined || method === 'pap') {
        this.#admitted = answer;
        return { kind: 'admitted', material, network: networkFor(answer.config) };
      }
      answer.release({ cause: 'error', detail: 'admission gave no keys' });
    }
    this.#refusal = reasonOf(answer);
    return { kind: 'refused', ...wordsOf(answer), retry: false };
  }
}

/** What admission can check; undefined for what is never asked for here. */
function proofOf(
  claim: AuthClaim,
): { readonly password: Claim['password']; readonly response: ChallengeResponse | undefined } | undefined {
  if (claim.method === 'pap') {
    const { username, password } = claim;
    return { password: { username, password }, response: undefined };
  }
  if (claim.method !== 'mschapv2') return undefined;
  const { method, ...fields } = claim;
  return { password: undefined, response: { kind: method, ...fields } };
}

/** What the peer is told (RFC 2759, section 6). */
function wordsOf(answer: Admitted | Challenge | Refused): Pick<AuthRefusal, 'code' | 'message'> {
  if (answer.kind !== 'refused') return { code: REFUSED, message: 'authentication failed' };
  return answer.account === undefined ? { code: REFUSED, message: answer.tell } : refusals[answer.account];
}

function reasonOf(answer: Admitted | Challenge | Refused): string {
  if (answer.kind === 'refused') return answer.reason;
  if (answer.kind === 'challenge') return `admission wants an answer to ${JSON.stringify(answer.text)}`;
  return 'admission gave no keys';
}
