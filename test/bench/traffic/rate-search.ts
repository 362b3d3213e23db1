/** The highest rate at which a tunnel loses less than one packet in a hundred. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Control } from './control.ts';
import type { PacketEnd } from './packets.ts';

const MAX_LOSS = 0.01;
const FIRST_RATE = 30_000;
const MAX_RATE = 2_000_000;
/** Halvings between the last rate that was good and the first that was not. */
const HALVINGS = 4;
/** A trial that loses packets is tried again: something else may have held the machine up for a moment. */
const TRIES = 3;
/** A sender that manages less than this share of its rate is at its own limit, or was held up for a moment. */
const SATURATED = 0.95;
/** Packets under way arrive within. */
const DRAIN_MILLIS = 100;

export interface Trial {
  /** Packets a second. */
  readonly sent: number;
  readonly received: number;
}

/** Runs one trial at a rate. */
export type Try = (rate: number) => Promise<Trial>;

/**
 * Packets a second that arrived at the best rate with little loss. A sender that cannot keep up has found its limit once it sends no more
 * though it is asked for twice as much. Bounded: about fifteen trials.
 */
export async function searchRate(attempt: Try): Promise<number> {
  let best = 0;
  let bad = MAX_RATE;
  let good = 0;
  for (let rate = FIRST_RATE; rate < MAX_RATE; rate *= 2) {
    const trial = await goodTrial(attempt, rate);
    if (trial === undefined) {
      bad = rate;
      break;
    }
    if (trial.sent < rate * SATURATED && trial.received <= best) return best;
    best = Math.max(best, trial.received);
    good = rate;
  }
  for (let i = 0; i < HALVINGS; i++) {
    const rate = (good + bad) / 2;
    const trial = await goodTrial(attempt, rate);
    if (trial === undefined) bad = rate;
    else good = rate;
    best = Math.max(best, trial?.received ?? 0);
  }
  return best;
}

async function goodTrial(attempt: Try, rate: number): Promise<Trial | undefined> {
  for (let i = 0; i < TRIES; i++) {
    const trial = await attempt(rate);
    if (trial.received > trial.sent * (1 - MAX_LOSS)) return trial;
  }
  return undefined;
}

/** Trials of `seconds` each, from this end to the other or back. */
export function trials(control: Control, end: PacketEnd, down: boolean, seconds: number): Try {
  let trial = 0;
  return async (rate) => {
    trial++;
    if (down) {
      end.expect(trial);
      end.greet();
      await delay(DRAIN_MILLIS);
      const { value: sent } = await control.ask({ kind: 'send', trial, rate, seconds });
      await delay(DRAIN_MILLIS);
      return { sent: sent / seconds, received: end.count / seconds };
    }
    await control.ask({ kind: 'expect', trial });
    const sent = await end.send(trial, rate, seconds);
    await delay(DRAIN_MILLIS);
    const { value: received } = await control.ask({ kind: 'count' });
    return { sent: sent / seconds, received: received / seconds };
  };
}
