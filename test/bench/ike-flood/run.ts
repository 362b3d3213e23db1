/**
 * What a flood of first messages from invented addresses does to culvertd and to who is connected by L2TP/IPsec.
 *
 *   scripts/node test/bench/ike-flood/run.ts [RATE] [SECONDS]
 *
 * Round trips of the connected user before and during the flood, and culvertd's resident memory and processor time.
 */
import { fileURLToPath } from 'node:url';
import { missingForLab } from '@culvert/testkit';
import { windowsPeer } from '../../../packages/ipsec/test/peers.ts';
import { buildWorld, gatewayAddress } from '../../interop/world.ts';
import { roundTrips } from '../ping.ts';
import { startL2tpClient, startL2tpServer } from '../ppp-ends.ts';
import { cpuSeconds, residentKib } from '../process-cost.ts';
import { quantile } from '../statistics.ts';

const [rate = '50000', seconds = '30'] = process.argv.slice(2);
const PINGS_A_SECOND = 20;
const node = fileURLToPath(new URL('../../../scripts/node', import.meta.url));
const flooder = fileURLToPath(new URL('flooder.ts', import.meta.url));

const missing = missingForLab(['sysctl', 'ping']);
if (missing.length > 0) throw new Error(missing.join('; '));
const world = await buildWorld();
try {
  const server = await startL2tpServer(world, 1_420);
  await startL2tpClient(world, 'culvert+l2tp');
  await world.client.forward();
  const mebibytes = () => `${(residentKib(server.pid) / 1_024).toFixed(0)} MiB`;
  const say = (what: string, times: readonly number[]) => {
    const lost = times.filter((time) => time >= 2e6).length;
    const [p50, p99] = [0.5, 0.99].map((q) => (quantile(times, q) / 1_000).toFixed(2));
    console.log(`${what}: ${times.length} pings, ${lost} lost, p50 ${p50} ms, p99 ${p99} ms; resident ${mebibytes()}`);
  };
  say('quiet', await roundTrips(world, 10 * PINGS_A_SECOND, 1 / PINGS_A_SECOND));
  const before = cpuSeconds([server.pid]);
  const words = [flooder, gatewayAddress[4], rate, seconds, Buffer.from(windowsPeer.firstMessage).toString('hex')];
  const child = world.client.spawn(node, words);
  for (let part = 0; part < 3; part++) {
    const count = Math.floor((Number(seconds) * PINGS_A_SECOND) / 3);
    say(`flooded, third ${part + 1}`, await roundTrips(world, count, 1 / PINGS_A_SECOND));
  }
  await child.exited;
  console.log(`flooder: ${child.stdout.trim()}`);
  console.log(
    `culvertd: ${(cpuSeconds([server.pid]) - before).toFixed(1)} s of processor time, resident ${mebibytes()}`,
  );
  say('after', await roundTrips(world, 10 * PINGS_A_SECOND, 1 / PINGS_A_SECOND));
} finally {
  await world.lab.close();
}
