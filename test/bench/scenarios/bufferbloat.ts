/** Round trips while a bulk transfer fills the tunnel, each way. */
import { startListener, transfer } from '../iperf.ts';
import { roundTrips } from '../ping.ts';
import { bothDirections, type Options, type Scenario } from '../scenario.ts';
import { quantile } from '../statistics.ts';
import { type Tunnel, tunnelStage } from '../tunnel.ts';

const INTERVAL_SECONDS = 0.005;
/** Of the transfer, before the first ping and after the last. */
const MARGIN_SECONDS = 1;

export const bufferbloat: Scenario = {
  name: 'bufferbloat',
  what: 'round trip p99 while a bulk TCP runs',
  subjects: ['openvpn', 'culvert'],
  figures: bothDirections({ unit: 'ms', better: 'less', digits: 2 }),
  reach: { culvert: { ratioUp: 1, ratioDown: 1 } },
  conditions: (options) => [
    `${countOf(options)} pings, one every ${INTERVAL_SECONDS * 1000} ms, during one TCP stream`,
  ],
  open: (options) =>
    tunnelStage(async (tunnel) => {
      await startListener(tunnel.world);
      return { up: await loadedP99(tunnel, options, false), down: await loadedP99(tunnel, options, true) };
    }),
};

/** Milliseconds. */
async function loadedP99({ world }: Tunnel, options: Options, down: boolean): Promise<number> {
  const count = countOf(options);
  const bulk = transfer(world, { seconds: count * INTERVAL_SECONDS + 2 * MARGIN_SECONDS, down });
  bulk.catch(() => {}); // awaited below
  await new Promise((resolve) => setTimeout(resolve, MARGIN_SECONDS * 1000));
  const times = await roundTrips(world, count, INTERVAL_SECONDS);
  await bulk;
  return quantile(times, 0.99) / 1000;
}

function countOf({ seconds }: Options): number {
  return Math.max(200, Math.round(seconds / INTERVAL_SECONDS));
}
