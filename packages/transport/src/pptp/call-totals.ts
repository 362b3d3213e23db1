/** What all calls of a listener counted together, those that are gone included: an operator sees a bad way, or an attack, here. */
import type { Call } from './call.ts';

/** Of a call's own counters. Those of control connections are left out: calls share them. */
const none = {
  greLost: 0,
  greLate: 0,
  greReordered: 0,
  greDuplicates: 0,
  greFar: 0,
  greMalformed: 0,
  greNudges: 0,
  windowFull: 0,
  keyChanges: 0,
  pppMalformed: 0,
  pppUnexpected: 0,
  pppDropped: 0,
} satisfies Partial<Call['counts']>;
type Totals = typeof none;
const names = Object.keys(none) as (keyof Totals)[];

export class CallTotals {
  readonly #live = new Set<Pick<Call, 'counts'>>();
  readonly #gone: Totals = { ...none };

  add(call: Pick<Call, 'counts'>): void {
    this.#live.add(call);
  }

  /** The call is over: its counts are kept, it is not. */
  retire(call: Pick<Call, 'counts'>): void {
    if (this.#live.delete(call)) addTo(this.#gone, call);
  }

  get sum(): Readonly<Totals> {
    const total = { ...this.#gone };
    for (const call of this.#live) addTo(total, call);
    return total;
  }
}

function addTo(total: Totals, { counts }: Pick<Call, 'counts'>): void {
  for (const name of names) total[name] += counts[name];
}
