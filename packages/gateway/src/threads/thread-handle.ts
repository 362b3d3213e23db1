/**
 * One packet thread, as the main thread has it: its worker, and what it asked that is not over.
 *
 * Owns that each claim is answered, and each admitted one released, once: also when the thread dies.
 */
import { Worker } from 'node:worker_threads';
import type { CloseReason } from '@culvert/base';
import type { Admission, Admitted, Claim, Link } from '@culvert/core';
import { GatewayError } from '../errors.ts';
import {
  type Answer,
  type Counts,
  errorOf,
  type LinkState,
  type Order,
  type Report,
  type ThreadSetup,
} from './messages.ts';
import type { RemoteLink } from './remote-link.ts';

type ReportOf<Kind extends Report['kind']> = Extract<Report, { kind: Kind }>;

export interface ThreadHandlers {
  /** It is no more, or cannot go on. Not called for a thread that `close` ended. */
  onFailed(error: Error): void;
  onReport(report: ReportOf<'event' | 'log' | 'warning'>): void;
  /** Returns the link, for `onOver`. */
  onUp(admitted: Admitted, state: LinkState): RemoteLink;
  /** Just before what admitted it is released. */
  onOver(link: RemoteLink, why: CloseReason): void;
  /** The link of this number, for a claim at a rekey. */
  linkOf(number: number): Link | undefined;
}

export class ThreadHandle {
  readonly index: number;
  readonly #worker: Worker;
  readonly #on: ThreadHandlers;
  readonly #asking = new Map<number, AbortController>();
  readonly #admitted = new Map<number, { readonly admitted: Admitted; link: RemoteLink | undefined }>();
  /** What `until` waits for. */
  readonly #waiting = new Map<Report['kind'], PromiseWithResolvers<Report>>();
  #admission: Admission | undefined;
  #over: Error | undefined;
  #closing = false;

  /** @param body the file that runs in the thread */
  constructor(setup: ThreadSetup, body: URL, on: ThreadHandlers) {
    this.index = setup.index;
    this.#on = on;
    this.#worker = new Worker(body, {
      name: `packets-${setup.index}`,
      workerData: setup,
      transferList: setup.neighbours.map(({ wake }) => wake),
    });
    this.#worker.on('message', (report: Report) => this.#handle(report));
    this.#worker.on('error', (error: Error) => this.#fail(this.#died(error.message, error)));
    this.#worker.on('exit', () => this.#fail(this.#died('it has ended')));
  }

  send(order: Order): void {
    if (this.#over === undefined) this.#worker.postMessage(order);
  }

  /** Resolves with the next report of this kind. Rejects when the thread fails. */
  until<Kind extends Report['kind']>(kind: Kind): Promise<ReportOf<Kind>> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const waiting = this.#waiting.get(kind) ?? Promise.withResolvers<Report>();
    this.#waiting.set(kind, waiting);
    return waiting.promise as Promise<ReportOf<Kind>>;
  }

  listen(admission: Admission): Promise<ReportOf<'listening'>> {
    this.#admission = admission;
    const listening = this.until('listening');
    this.send({ kind: 'listen' });
    return listening;
  }

  /** Its counters; undefined when it is no more. */
  async count(): Promise<Counts | undefined> {
    const counted = this.until('counts');
    this.send({ kind: 'count' });
    return await counted.then(
      ({ counts }) => counts,
      () => undefined,
    );
  }

  /** Ends its links with `why`. Resolves also when it dies meanwhile. */
  async stop(why: CloseReason): Promise<void> {
    const stopped = this.until('stopped').catch(() => {});
    this.send({ kind: 'stop', why });
    await stopped;
  }

  /** Ends the thread. What it has open is closed when this resolves. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#worker.terminate();
  }

  #handle(report: Report): void {
    switch (report.kind) {
      case 'claim':
        void this.#admit(report.id, report.claim, report.link);
        break;
      case 'abort':
        this.#asking.get(report.claim)?.abort();
        break;
      case 'up': {
        const entry = this.#admitted.get(report.claim);
        if (entry !== undefined) entry.link = this.#on.onUp(entry.admitted, report.link);
        break;
      }
      case 'release':
        this.#release(report.claim, report.why, report.last);
        break;
      case 'failed':
        this.#fail(errorOf(report.failure));
        break;
      case 'device-gone':
        this.#on.onFailed(errorOf(report.failure));
        break;
      case 'event':
      case 'log':
      case 'warning':
        this.#on.onReport(report);
        break;
      default:
        this.#waiting.get(report.kind)?.resolve(report);
        this.#waiting.delete(report.kind);
    }
  }

  async #admit(id: number, claim: Claim, number: number | undefined): Promise<void> {
    const asking = new AbortController();
    this.#asking.set(id, asking);
    const answer = await this.#answerTo(claim, number, asking.signal);
    this.#asking.delete(id);
    if (answer.kind !== 'admitted') {
      this.send({ kind: 'answer', claim: id, answer });
      return;
    }
    const { release, ...rest } = answer;
    if (number === undefined) {
      if (this.#over !== undefined) {
        release(this.#lost());
        return;
      }
      this.#admitted.set(id, { admitted: answer, link: undefined });
    }
    this.send({ kind: 'answer', claim: id, answer: rest satisfies Answer });
  }

  async #answerTo(claim: Claim, number: number | undefined, signal: AbortSignal) {
    try {
      if (this.#admission === undefined) throw new Error('nobody decides yet');
      if (number === undefined) return await this.#admission.admit(claim, signal);
      const link = this.#on.linkOf(number);
      if (link === undefined) throw new Error('the link is gone');
      return await this.#admission.reauthenticate(link, claim, signal);
    } catch (error) {
      const reason = `admission failed: ${(error as Error).message}`;
      return { kind: 'refused', reason, tell: 'the gateway cannot decide now, try again' } as const;
    }
  }

  #release(claim: number, why: CloseReason, last: LinkState | undefined): void {
    const entry = this.#admitted.get(claim);
    if (entry === undefined) return;
    this.#admitted.delete(claim);
    const { admitted, link } = entry;
    if (link !== undefined) {
      if (last !== undefined) link.take(last);
      this.#on.onOver(link, why);
    }
    admitted.release(why);
  }

  #fail(error: Error): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    for (const waiting of this.#waiting.values()) {
      waiting.promise.catch(() => {}); // Who asks later gets the error as well.
      waiting.reject(error);
    }
    this.#waiting.clear();
    for (const asking of this.#asking.values()) asking.abort();
    for (const claim of [...this.#admitted.keys()]) this.#release(claim, this.#lost(), undefined);
    if (!this.#closing) this.#on.onFailed(error);
  }

  #lost(): CloseReason {
    return { cause: 'error', detail: `packet thread ${this.index} is gone` };
  }

  #died(detail: string, cause?: Error): GatewayError {
    const options = cause === undefined ? {} : { cause };
    return new GatewayError('CULVERT_GATEWAY_THREAD', `thread ${this.index}: ${detail}`, options);
  }
}
