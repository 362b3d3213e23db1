/** A packet thread's Admission: asks the main thread, which has users, sessions and addresses. */
import type { CloseReason } from '@culvert/base';
import type { Admission, Admitted, Challenge, Claim, Link, Principal, Refused } from '@culvert/core';
import type { Answer, LinkState, Report } from './messages.ts';

export interface ThreadAdmissionOptions {
  report(message: Report): void;
  /** The number by which the main thread knows a link. */
  numberOf(link: Link): number;
  /** The last of the link that came of this claim; undefined where none did. */
  lastOf(claim: number): LinkState | undefined;
}

export class ThreadAdmission implements Admission {
  readonly #options: ThreadAdmissionOptions;
  /** As many as handshakes and rekeys may be under way. */
  readonly #asked = new Map<number, (answer: Answer) => void>();
  readonly #claims = new WeakMap<Principal, number>();
  #lastId = 0;

  constructor(options: ThreadAdmissionOptions) {
    this.#options = options;
  }

  async admit(claim: Claim, signal: AbortSignal): Promise<Admitted | Challenge | Refused> {
    const id = ++this.#lastId;
    const answer = await this.#ask(id, claim, undefined, signal);
    if (answer.kind !== 'admitted') return answer;
    this.#claims.set(answer.principal, id);
    return { ...answer, release: (why) => this.#release(id, why) };
  }

  async reauthenticate(link: Link, claim: Claim, signal: AbortSignal): Promise<Admitted | Challenge | Refused> {
    const answer = await this.#ask(++this.#lastId, claim, this.#options.numberOf(link), signal);
    return answer.kind === 'admitted' ? { ...answer, release: () => {} } : answer;
  }

  /** The claim that this principal was admitted by. */
  claimOf(principal: Principal): number | undefined {
    return this.#claims.get(principal);
  }

  handleAnswer(claim: number, answer: Answer): void {
    this.#asked.get(claim)?.(answer);
    this.#asked.delete(claim);
  }

  #ask(id: number, claim: Claim, link: number | undefined, signal: AbortSignal): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const { report } = this.#options;
    this.#asked.set(id, resolve);
    report({ kind: 'claim', id, claim, link });
    const abort = () => report({ kind: 'abort', claim: id });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }

  #release(claim: number, why: CloseReason): void {
    this.#options.report({ kind: 'release', claim, why, last: this.#options.lastOf(claim) });
  }
}
