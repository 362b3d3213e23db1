/** What all sessions of a listener counted together, those that are gone included: an operator sees an attack here. */
import type { SessionStats } from '@culvert/openvpn';

/** The counters that peers' bad or repeated datagrams raise, by the names that `Listener.stats` gives them. */
const counted = {
  controlMalformed: 'malformed',
  controlUnauthenticated: 'unauthenticated',
  controlReplayed: 'replayed',
  dataUnauthenticated: 'dataUnauthenticated',
  dataReplayed: 'dataReplayed',
  dataNoKey: 'dataNoKey',
  dataRefused: 'dataRefused',
} as const satisfies Record<string, keyof SessionStats>;

type Name = keyof typeof counted;
const names = Object.keys(counted) as Name[];

export class SessionTotals {
  readonly #gone: Record<Name, number> = {
    controlMalformed: 0,
    controlUnauthenticated: 0,
    controlReplayed: 0,
    dataUnauthenticated: 0,
    dataReplayed: 0,
    dataNoKey: 0,
    dataRefused: 0,
  };

  /** The session is over: its counts are kept, it is not. */
  retire(stats: Readonly<SessionStats>): void {
    for (const name of names) this.#gone[name] += stats[counted[name]];
  }

  /** With those of the sessions that live. */
  sum(live: Iterable<Readonly<SessionStats>>): Readonly<Record<Name, number>> {
    const total = { ...this.#gone };
    for (const stats of live) for (const name of names) total[name] += stats[counted[name]];
    return total;
  }
}
