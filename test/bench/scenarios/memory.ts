/** The server's memory for each idle link: growth of its resident set. */
import { buildWorld } from '../../interop/world.ts';
import { ManyLinks } from '../many-links.ts';
import { residentKib } from '../process-cost.ts';
import type { Options, Scenario } from '../scenario.ts';
import { withServer } from '../tunnel.ts';

const LINKS = 10_000;
const LINKS_SHORT = 1_000;
/** What a server allocates once, for whomever comes first, is not a link's. */
const FIRST_LINKS = 20;

export const memory: Scenario = {
  name: 'memory',
  what: 'memory for each idle link',
  subjects: ['openvpn', 'culvert', 'culvert+threads'],
  figures: [{ key: 'kib', ratio: 'ratio', unit: 'KiB', better: 'less', digits: 1 }],
  reach: { culvert: { kib: 100 } },
  // More of V8's room falls to each of a thousand: 100 KiB.
  heldTo: { culvert: { kib: 140 } },
  conditions: (options) => [
    `growth of the server's resident set over ${countOf(options)} idle links, after the first ${FIRST_LINKS}`,
  ],
  open: async (options) => {
    const world = await buildWorld();
    const links = await ManyLinks.create(world, countOf(options) + FIRST_LINKS);
    return {
      measure: (subject) =>
        withServer(world, subject, async (server) => {
          await links.hold(FIRST_LINKS);
          const before = residentKib(server.pid);
          await links.hold(countOf(options));
          return { kib: (residentKib(server.pid) - before) / countOf(options) };
        }),
      close: () => world.lab.close(),
    };
  },
};

function countOf({ short, links }: Options): number {
  return links ?? (short ? LINKS_SHORT : LINKS);
}
