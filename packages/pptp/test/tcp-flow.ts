/**
 * One TCP connection's segments and acknowledgements, as far as loss and delay matter to how fast it is: selective acknowledgements,
 * NewReno's window, time-outs from 0.2 s on that double. A segment and an acknowledgement are a number each.
 */
import type { Instant } from '@culvert/base';

const FIRST_WINDOW = 10;
const DUPLICATES = 3;
const MIN_TIMEOUT = 200;
const FIRST_TIMEOUT = 1_000;
const MAX_TIMEOUT = 120_000;
const DELAYED_ACK = 40;

/** What an acknowledgement says: all before `next`, and these. */
export interface Ack {
  readonly next: number;
  readonly others: readonly number[];
}

export class TcpSender {
  timeouts = 0;
  readonly #segments: number;
  readonly #sentAt = new Map<number, number>();
  readonly #again = new Set<number>();
  #window = FIRST_WINDOW;
  #threshold = Number.POSITIVE_INFINITY;
  #acknowledged = new Set<number>();
  #lost: number[] = [];
  #first = 0;
  #next = 0;
  #recovery = 0;
  #srtt: number | undefined;
  #variation = 0;
  #timeout = FIRST_TIMEOUT;
  #timeoutAt: number | undefined;

  constructor(segments: number) {
    this.#segments = segments;
  }

  get isDone(): boolean {
    return this.#first >= this.#segments;
  }

  /** The next segment that may go. */
  poll(now: Instant): number | undefined {
    const under = this.#sentAt.size;
    if (this.isDone || under >= Math.floor(this.#window)) return undefined;
    let segment = this.#lost.shift();
    while (segment !== undefined && this.#has(segment)) segment = this.#lost.shift();
    if (segment !== undefined) this.#again.add(segment);
    else if (this.#next < this.#segments) segment = this.#next++;
    if (segment === undefined) return undefined;
    this.#sentAt.set(segment, now);
    this.#timeoutAt ??= now + this.#timeout;
    return segment;
  }

  handleAck({ next, others }: Ack, now: Instant): void {
    let newly = 0;
    for (const segment of [...range(this.#first, next), ...others]) {
      if (this.#has(segment)) continue;
      newly++;
      const sentAt = this.#sentAt.get(segment);
      if (sentAt !== undefined && !this.#again.has(segment)) this.#sample(now - sentAt);
      this.#acknowledged.add(segment);
      this.#sentAt.delete(segment);
    }
    this.#first = Math.max(this.#first, next);
    if (newly === 0) return;
    if (this.#window < this.#threshold) this.#window += newly;
    else this.#window += newly / this.#window;
    this.#timeoutAt = this.#sentAt.size === 0 ? undefined : now + this.#timeout;
    const highest = Math.max(this.#first - 1, ...others);
    for (const segment of this.#sentAt.keys()) {
      if (segment > highest - DUPLICATES || this.#again.has(segment)) continue;
      this.#sentAt.delete(segment);
      this.#lost.push(segment);
      if (segment < this.#recovery) continue;
      this.#threshold = this.#window = Math.max(2, this.#window / 2);
      this.#recovery = this.#next;
    }
  }

  handleTimeout(now: Instant): void {
    if (this.#timeoutAt === undefined || now < this.#timeoutAt) return;
    this.timeouts++;
    this.#threshold = Math.max(2, this.#sentAt.size / 2);
    this.#window = 1;
    this.#lost = [...range(this.#first, this.#next)].filter((segment) => !this.#has(segment));
    this.#sentAt.clear();
    this.#recovery = this.#next;
    this.#timeout = Math.min(MAX_TIMEOUT, 2 * this.#timeout);
    this.#timeoutAt = undefined;
  }

  pollTimeout(): Instant | undefined {
    return this.#timeoutAt as Instant | undefined;
  }

  #has(segment: number): boolean {
    return segment < this.#first || this.#acknowledged.has(segment);
  }

  #sample(sample: number): void {
    if (this.#srtt === undefined) {
      this.#srtt = sample;
      this.#variation = sample / 2;
    } else {
      this.#variation += (Math.abs(sample - this.#srtt) - this.#variation) / 4;
      this.#srtt += (sample - this.#srtt) / 8;
    }
    this.#timeout = this.#srtt + Math.max(MIN_TIMEOUT, 4 * this.#variation);
  }
}

export class TcpReceiver {
  readonly #came = new Set<number>();
  #next = 0;
  #pending = 0;
  #ackAt: number | undefined;

  /** What to answer at once, if anything. */
  handleSegment(segment: number, now: Instant): Ack | undefined {
    const isNext = segment === this.#next;
    if (segment > this.#next) this.#came.add(segment);
    else if (isNext)
      do this.#came.delete(this.#next++);
      while (this.#came.has(this.#next));
    if (isNext && this.#came.size === 0 && ++this.#pending < 2) {
      this.#ackAt ??= now + DELAYED_ACK;
      return undefined;
    }
    return this.#ack();
  }

  handleTimeout(now: Instant): Ack | undefined {
    return this.#ackAt !== undefined && now >= this.#ackAt ? this.#ack() : undefined;
  }

  pollTimeout(): Instant | undefined {
    return this.#ackAt as Instant | undefined;
  }

  #ack(): Ack {
    this.#pending = 0;
    this.#ackAt = undefined;
    return { next: this.#next, others: [...this.#came] };
  }
}

function* range(from: number, to: number): Iterable<number> {
  for (let n = from; n < to; n++) yield n;
}
