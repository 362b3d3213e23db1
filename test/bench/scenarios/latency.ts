/** Round trips through a tunnel that carries nothing else. */
import { roundTrips } from '../ping.ts';
import type { Options, Scenario } from '../scenario.ts';
import { best, quantile } from '../statistics.ts';
import { tunnelStage } from '../tunnel.ts';

const INTERVAL_SECONDS = 0.002;
/** In the short form: the scheduler's choice of processors, and what else the machine does, last for some of them. */
const ROUNDS_SHORT = 8;
const PINGS_SHORT = 250;
/** Code that runs for the first time is slower, and its compilers run beside it, which p99 tells until 15,000 packets: those do not count. */
const WARM_UP = 16_000;
const WARM_UP_INTERVAL_SECONDS = 0.000_5;

export const latency: Scenario = {
  name: 'latency',
  what: 'round trip, idle',
  subjects: ['openvpn', 'culvert', 'culvert+threads', 'bare'],
  figures: [
    { key: 'p50', ratio: 'ratioP50', unit: 'µs', better: 'less', digits: 0 },
    { key: 'p99', ratio: 'ratioP99', unit: 'µs', better: 'less', digits: 0 },
  ],
  reach: { culvert: { ratioP50: 0.8, ratioP99: 0.8 } },
  // What a machine takes to wake up decides: one where a round trip is twice as long has 1.2 to 1.8 and 1.7 to 3.3.
  heldTo: { culvert: { ratioP50: 2, ratioP99: 3 } },
  conditions: (options) => [
    `${countOf(options)} pings of 64 bytes, one every ${INTERVAL_SECONDS * 1000} ms, after ${WARM_UP} that do not count${
      options.short ? `; the best of ${ROUNDS_SHORT} such rounds, for each figure` : ''
    }`,
  ],
  open: (options) =>
    tunnelStage(async ({ world }) => {
      await roundTrips(world, WARM_UP, WARM_UP_INTERVAL_SECONDS);
      const rounds: number[][] = [];
      for (let n = 0; n < (options.short ? ROUNDS_SHORT : 1); n++)
        rounds.push(await roundTrips(world, countOf(options), INTERVAL_SECONDS));
      const bestOf = (share: number) =>
        best(
          rounds.map((times) => quantile(times, share)),
          'less',
        );
      return { p50: bestOf(0.5), p99: bestOf(0.99) };
    }),
};

function countOf({ seconds, short }: Options): number {
  return short ? PINGS_SHORT : Math.max(1_000, Math.round(seconds / INTERVAL_SECONDS));
}
