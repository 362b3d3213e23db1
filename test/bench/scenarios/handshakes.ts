/** What a full handshake with client certificates costs the server: processor time of its process, link configured and closed again. */
import { buildWorld } from '../../interop/world.ts';
import { ManyLinks } from '../many-links.ts';
import { cpuSeconds } from '../process-cost.ts';
import type { Options, Scenario } from '../scenario.ts';
import { withServer } from '../tunnel.ts';

/** A gateway's defaults let some thousand strangers in in ten seconds: with this and the warm-up we stay below. */
const HANDSHAKES = 600;
const WARM_UP = 200;

export const handshakes: Scenario = {
  name: 'handshakes',
  what: 'server CPU for a full handshake',
  subjects: ['openvpn', 'culvert', 'culvert+threads'],
  figures: [{ key: 'server', ratio: 'ratio', unit: 'ms', better: 'less', digits: 3 }],
  reach: { culvert: { ratio: 0.6 } },
  conditions: (options) => [
    `${countOf(options)} handshakes after ${WARM_UP}, P-256 certificates both ways, TLS 1.3, our dialler as every client; each link is configured and says goodbye`,
  ],
  open: async (options) => {
    const world = await buildWorld();
    const links = await ManyLinks.create(world, 1);
    return {
      measure: (subject) =>
        withServer(world, subject, async (server) => {
          await links.churn(WARM_UP);
          const before = cpuSeconds([server.pid]);
          await links.churn(countOf(options));
          return { server: ((cpuSeconds([server.pid]) - before) / countOf(options)) * 1000 };
        }),
      close: () => world.lab.close(),
    };
  },
};

function countOf({ short }: Options): number {
  return short ? HANDSHAKES / 2 : HANDSHAKES;
}
