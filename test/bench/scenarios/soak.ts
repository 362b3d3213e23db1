/** Whether the server gives back what it took: its resident set after GBs through one link and many links that came and went. */
import { setTimeout as delay } from 'node:timers/promises';
import { startListener, transfer } from '../iperf.ts';
import { ManyLinks } from '../many-links.ts';
import { residentKib } from '../process-cost.ts';
import type { Options, Scenario } from '../scenario.ts';
import { type Tunnel, tunnelStage } from '../tunnel.ts';

const GIGABYTES = 5;
const GIGABYTES_SHORT = 0.5;
const LINKS = 1_000;
const LINKS_SHORT = 200;
/** Of the load, carried before the first look: buffers that are kept are allocated by then, and code is compiled. */
const WARM_UP = 0.4;
/** Before each look: what a server gives back when nothing happens is given back by then. Ours looks every ten seconds whether it is quiet. */
const QUIET_MS = 25_000;

export const soak: Scenario = {
  name: 'soak',
  what: 'resident set before and after bytes and links',
  subjects: ['openvpn', 'culvert'],
  figures: [
    { key: 'before', ratio: 'ratioBefore', unit: 'MiB', better: 'less', digits: 1 },
    { key: 'after', ratio: 'ratioAfter', unit: 'MiB', better: 'less', digits: 1 },
    { key: 'growth', ratio: 'growth', unit: '×', better: 'less', digits: 3, own: true },
  ],
  reach: { culvert: { growth: 1.05 } },
  // Of so little it is 0.97 to 1.01. 200 links that left 100 KiB each behind would add 0.15.
  heldTo: { culvert: { growth: 1.1 } },
  conditions: (options) => [
    `the server's resident set before and after ${gigabytesOf(options)} GB each way through one link and ${linksOf(options)} links opened and closed; ${WARM_UP * 100} % of that before the first look, and ${QUIET_MS / 1000} s of quiet before each`,
  ],
  open: (options) =>
    tunnelStage(async (tunnel) => {
      const links = await ManyLinks.create(tunnel.world, 1);
      await startListener(tunnel.world);
      await load(tunnel, links, options, WARM_UP);
      const before = residentKib(tunnel.server.pid) / 1024;
      await load(tunnel, links, options, 1);
      const after = residentKib(tunnel.server.pid) / 1024;
      return { before, after, growth: after / before };
    }),
};

async function load({ world }: Tunnel, links: ManyLinks, options: Options, share: number): Promise<void> {
  const bytes = Math.round(gigabytesOf(options) * share * 1e9);
  await transfer(world, { bytes });
  await transfer(world, { bytes, down: true });
  await links.churn(Math.round(linksOf(options) * share));
  await delay(QUIET_MS);
}

function gigabytesOf({ short }: Options): number {
  return short ? GIGABYTES_SHORT : GIGABYTES;
}

function linksOf({ short }: Options): number {
  return short ? LINKS_SHORT : LINKS;
}
