/** Processor time of both ends for each GB (10^9 bytes) that TCP moved. */
import { startListener, transfer } from '../iperf.ts';
import { cpuSeconds } from '../process-cost.ts';
import { bothDirections, type Scenario } from '../scenario.ts';
import { type Tunnel, tunnelStage } from '../tunnel.ts';

export const cpu: Scenario = {
  name: 'cpu',
  what: 'CPU seconds a GB, both ends',
  subjects: ['openvpn', 'culvert', 'culvertd+openvpn', 'culvert+threads', 'bare'],
  figures: bothDirections({ unit: 's/GB', better: 'less', digits: 2 }),
  reach: { culvert: { ratioUp: 0.12, ratioDown: 0.12 } },
  conditions: ({ seconds }) => [`user and system time of both daemons during one TCP stream of ${seconds} s each way`],
  open: ({ seconds }) =>
    tunnelStage(async (tunnel) => {
      await startListener(tunnel.world);
      // Code that runs for the first time is compiled in between.
      await transfer(tunnel.world, { seconds: 1 });
      return { up: await cost(tunnel, seconds, false), down: await cost(tunnel, seconds, true) };
    }),
};

async function cost({ world, server, client }: Tunnel, seconds: number, down: boolean): Promise<number> {
  const ends = [server.pid, client.pid];
  const before = cpuSeconds(ends);
  const { bytes } = await transfer(world, { seconds, down });
  return (cpuSeconds(ends) - before) / (bytes / 1e9);
}
