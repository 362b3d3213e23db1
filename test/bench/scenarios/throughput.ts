/** TCP through the tunnel, one stream, each way. */
import { startListener, transfer } from '../iperf.ts';
import { bothDirections, type Options, type Scenario, type Stage } from '../scenario.ts';
import { tunnelStage } from '../tunnel.ts';

export const throughput: Scenario = {
  name: 'throughput',
  what: 'TCP, one stream',
  subjects: [
    'openvpn',
    'culvert',
    'culvertd+openvpn',
    'culvert+threads',
    'culvert+pptp',
    'culvert+l2tp',
    'culvert+l2tp-cbc',
    'strongswan',
    'bare',
  ],
  figures: bothDirections({ unit: 'Mbit/s', better: 'more', digits: 1 }),
  reach: {
    culvert: { ratioUp: 9, ratioDown: 9 },
    'culvertd+openvpn': { ratioUp: 1, ratioDown: 1 },
    'culvert+pptp': { ratioUp: 1.2, ratioDown: 1.2 },
  },
  conditions: ({ seconds }) => [`one TCP stream, ${seconds} s each way after a second of warm-up`],
  open: (options) => tcpStage(options, 1),
};

/** Mbit/s each way. */
export function tcpStage({ seconds, pathMtu }: Options, streams: number): Promise<Stage> {
  return tunnelStage(async ({ world }) => {
    await startListener(world);
    const { mbits: up } = await transfer(world, { seconds, streams, warmUp: 1 });
    const { mbits: down } = await transfer(world, { seconds, streams, warmUp: 1, down: true });
    return { up, down };
  }, pathMtu);
}
