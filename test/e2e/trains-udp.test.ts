/** UDP super-packets: what a program sends with UDP_SEGMENT stays one packet through both TUN devices, where the kernel has USO (Linux 6.2). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { labIsPossible, missingForLab } from '@culvert/testkit';
import { culvert } from '../interop/ends/culvert.ts';
import { office } from '../interop/world.ts';
import { averagePackets, badPackets, labTools, TrainLab } from './train-lab.ts';
import type { TrainEcho } from './udp-trains.ts';

const PORT = 7_001;
/** So many of so many bytes, the headers added, are a packet of less than 64 KiB. */
const COUNT = 40;
const SIZE = 1_200;
const ROUNDS = 50;
/** Such a packet, nearly; pings and what is left over make the average smaller. */
const SUPER_PACKET = (COUNT * SIZE) / 3;
const MTU = 1_500;
const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const program = fileURLToPath(new URL('udp-trains.ts', import.meta.url));

let lab: TrainLab;
before(async () => {
  if (missingForLab(labTools).length > 0) return;
  lab = await TrainLab.open();
  await lab.world.office.spawn(node, [program, 'serve', String(PORT)]).waitFor('serving');
});
after(() => lab?.[Symbol.asyncDispose]());

for (const offload of [true, false]) {
  test(`UDP_SEGMENT, with offloads ${offload ? 'on' : 'off'}: all comes back, in super-packets where the kernel has them`, async (t) => {
    if (!labIsPossible(t, labTools)) return;
    await lab.connect(culvert, culvert, { offload: { server: offload, client: offload } });
    const { client, gateway } = lab.world;
    // A kernel without says so at the opening of the device.
    const expected = offload && !/lacks offloads.*uso/.test(lab.log);
    for (const address of [office.ipv4, office.ipv6]) {
      const words = [program, 'echo', address, String(PORT), String(COUNT), String(SIZE), String(ROUNDS)];
      const { echoed, trainsSent, trainsReceived } = JSON.parse(await client.exec(node, words)) as TrainEcho;
      assert.equal(echoed, COUNT * ROUNDS);
      assert.ok(trainsSent >= ROUNDS, `${trainsSent} trains sent`);
      if (expected) assert.ok(trainsReceived > 0, 'what came back were trains too');
    }
    for (const [host, device] of [
      [client, 'tun0'],
      [gateway, 'culvert0'],
    ] as const) {
      const { sent, received } = await averagePackets(host, device);
      const told = `${device}: ${sent.toFixed(0)} bytes a packet into it, ${received.toFixed(0)} out of it`;
      t.diagnostic(told);
      for (const average of [sent, received]) assert.ok(expected ? average > SUPER_PACKET : average <= MTU, told);
    }
    for (const host of lab.world.lab.hosts) assert.deepEqual(await badPackets(host), []);
  });
}
