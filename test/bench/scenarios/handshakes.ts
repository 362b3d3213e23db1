/** What a full handshake with client certificates costs the server: processor time of its process, link configured and closed again. */
import { buildWorld } from '../../interop/world.ts';
import { ManyLinks } from '../many-links.ts';
import { cpuSeconds } from '../process-cost.ts';
import type { Scenario } from '../scenario.ts';
import { withServer } from '../tunnel.ts';

/** A gateway's defaults let some thousand strangers in in ten seconds: with this and the warm-up we stay below. */
const HANDSHAKES = 600;
/** Code that runs for the first time is slower, and its compilers run beside it: nobody's first handshakes count. */
const WARM_UP = 400;
/**
 * The key exchange of both servers, so that like is compared with like: our client prefers X25519MLKEM768, which our server takes and
 * OpenVPN's OpenSSL 3.0 does not have.
 */
const BOTH_HAVE = 'X25519';

export const handshakes: Scenario = {
  name: 'handshakes',
  what: 'server CPU for a full handshake',
  subjects: ['openvpn', 'culvert', 'culvert+threads'],
  figures: [
    { key: 'server', ratio: 'ratio', unit: 'ms', better: 'less', digits: 3 },
    { key: 'hybrid', ratio: 'ratioHybrid', unit: 'ms with ML-KEM offered', better: 'less', digits: 3 },
  ],
  reach: { culvert: { ratio: 0.6 } },
  conditions: () => [
    `${HANDSHAKES} handshakes by ${BOTH_HAVE} after ${WARM_UP}, then as many more by what our client offers; P-256 certificates both ways, TLS 1.3, our dialler as every client; each link is configured and says goodbye`,
  ],
  open: async () => {
    const world = await buildWorld();
    const links = await ManyLinks.create(world, 1);
    return {
      measure: (subject) =>
        withServer(world, subject, async (server) => {
          await links.churn(WARM_UP, BOTH_HAVE);
          const cost = async (groups: string | undefined) => {
            const before = cpuSeconds([server.pid]);
            await links.churn(HANDSHAKES, groups);
            return ((cpuSeconds([server.pid]) - before) / HANDSHAKES) * 1000;
          };
          return { server: await cost(BOTH_HAVE), hybrid: await cost(undefined) };
        }),
      close: () => world.lab.close(),
    };
  },
};
