/** Round trips through a tunnel that carries nothing else. */
import { roundTrips } from '../ping.ts';
import type { Options, Scenario } from '../scenario.ts';
import { quantile } from '../statistics.ts';
import { tunnelStage } from '../tunnel.ts';

const INTERVAL_SECONDS = 0.002;
/** Code that runs for the first time is slower, and its compilers run beside it: nobody's first pings count. */
const WARM_UP = 4_000;
const WARM_UP_INTERVAL_SECONDS = 0.001;

export const latency: Scenario = {
  name: 'latency',
  what: 'round trip, idle',
  subjects: ['openvpn', 'culvert', 'culvert+threads', 'bare'],
  figures: [
    { key: 'p50', ratio: 'ratioP50', unit: 'µs', better: 'less', digits: 0 },
    { key: 'p99', ratio: 'ratioP99', unit: 'µs', better: 'less', digits: 0 },
  ],
  reach: { culvert: { ratioP50: 0.8, ratioP99: 0.8 } },
  conditions: (options) => [
    `${countOf(options)} pings of 64 bytes, one every ${INTERVAL_SECONDS * 1000} ms, after ${WARM_UP} that do not count`,
  ],
  open: (options) =>
    tunnelStage(async ({ world }) => {
      await roundTrips(world, WARM_UP, WARM_UP_INTERVAL_SECONDS);
      const times = await roundTrips(world, countOf(options), INTERVAL_SECONDS);
      return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
    }),
};

function countOf({ seconds }: Options): number {
  return Math.max(1_000, Math.round(seconds / INTERVAL_SECONDS));
}
