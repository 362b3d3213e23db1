import type { CloseReason, Instant, Millis } from '@culvert/base';
import type { AttachedLink } from './attached-link.ts';
import { TICK } from './flow-timeouts.ts';

/** Chosen: forgotten flows hold memory for half a minute more at most. */
const SWEEP_INTERVAL: Millis = 30_000;
/** Chosen: places looked at in one go, about a millisecond. */
const SWEEP_SLICE = 32_768;

/** When the link has to end by its own limits; undefined: never. */
export function limitOf(entry: AttachedLink): Instant | undefined {
  const { idleTimeout, sessionTimeout } = entry.link.config;
  const idle = idleTimeout === undefined ? Number.POSITIVE_INFINITY : entry.lastActive + idleTimeout;
  const session = sessionTimeout === undefined ? Number.POSITIVE_INFINITY : entry.link.since + sessionTimeout;
  const limit = Math.min(idle, session);
  return limit === Number.POSITIVE_INFINITY ? undefined : (limit as Instant);
}

/** Why the link has to end now; undefined: it may go on. */
export function limitReached(entry: AttachedLink, now: Instant): CloseReason | undefined {
  const { idleTimeout, sessionTimeout } = entry.link.config;
  if (sessionTimeout !== undefined && now >= entry.link.since + sessionTimeout) {
    return { cause: 'session-limit', detail: `the session's time of ${inWords(sessionTimeout)} is over` };
  }
  if (idleTimeout !== undefined && now >= entry.lastActive + idleTimeout) {
    return { cause: 'idle', detail: `no traffic for ${inWords(idleTimeout)}` };
  }
  return undefined;
}

/** Sweeps the flow tables of all links every now and then, a slice a turn. */
export class FlowSweeper {
  #next: Instant;
  #round: Iterator<AttachedLink> | undefined;

  constructor(now: Instant) {
    this.#next = (now + SWEEP_INTERVAL) as Instant;
  }

  pollTimeout(): Instant {
    return this.#next;
  }

  handleTimeout(now: Instant, links: Iterable<AttachedLink>, tick: number): void {
    if (now < this.#next) return;
    this.#round ??= links[Symbol.iterator]();
    for (let swept = 0; swept < SWEEP_SLICE; ) {
      const { value, done } = this.#round.next();
      if (done) {
        this.#round = undefined;
        this.#next = (now + SWEEP_INTERVAL) as Instant;
        return;
      }
      swept += value.filter?.flows.capacity ?? 1;
      value.filter?.flows.sweep(tick);
    }
    this.#next = (now + TICK) as Instant;
  }
}

function inWords(millis: Millis): string {
  const units: [string, Millis][] = [
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1000],
  ];
  const [name, size] = units.find(([, unit]) => millis >= unit && millis % unit === 0) ?? ['millisecond', 1];
  const count = millis / size;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
