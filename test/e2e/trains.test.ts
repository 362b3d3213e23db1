/** Packets arrive unharmed whichever end moves them in trains: TCP by hash, UDP and pings of every size, both IP versions. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { labIsPossible, missingForLab } from '@culvert/testkit';
import { culvert } from '../interop/ends/culvert.ts';
import { openvpn } from '../interop/ends/openvpn.ts';
import { averagePackets, badPackets, labTools, TrainLab } from './train-lab.ts';

const BYTES = 20_000_000;
const MTU = 1_500;
const everySize = Array.from({ length: 1_473 }, (_, size) => size);
const oddSizes = [1, 17, 333, 512, 999, 1_371, 1_372, 1_472, 2_000, 5_001];
const pingSizes = [0, 1, 7, 8, 55, 512, 1_371, 1_372, 1_400, 1_444, 1_445, 1_471, 1_472, 1_473, 4_000];

const cases = [
  { server: culvert, client: culvert, offload: { server: true, client: true } },
  { server: culvert, client: culvert, offload: { server: true, client: false } },
  { server: culvert, client: culvert, offload: { server: false, client: true } },
  { server: culvert, client: culvert, offload: { server: false, client: false } },
  { server: culvert, client: openvpn, offload: { server: true, client: false } },
  { server: culvert, client: openvpn, offload: { server: false, client: false } },
  { server: openvpn, client: culvert, offload: { server: false, client: true } },
  { server: openvpn, client: culvert, offload: { server: false, client: false } },
] as const;

let lab: TrainLab;
before(async () => {
  if (missingForLab(labTools).length === 0) lab = await TrainLab.open();
});
after(() => lab?.[Symbol.asyncDispose]());

for (const { server, client, offload } of cases) {
  const end = (name: string, on: boolean) => (name === 'openvpn' ? name : `${name} with${on ? '' : 'out'} offloads`);
  const title = `${end(server.name, offload.server)} serves ${end(client.name, offload.client)}`;
  test(`${title}: everything arrives`, async (t) => {
    if (!labIsPossible(t, labTools)) return;
    await lab.connect(server, client, { offload, protocol: 'udp' });
    for (const family of [4, 6] as const) {
      for (const what of ['get', 'put'] as const) {
        const { longestSilence } = await lab.transfer(what, family, BYTES);
        assert.ok(longestSilence < 2_000, `${what} over IPv${family}: nothing came for ${longestSilence} ms`);
      }
      for (const [burst, sizes] of [
        [1, everySize],
        [24, oddSizes],
      ] as const) {
        const { echoed, resent } = await lab.echo(family, burst, sizes);
        assert.ok(resent <= echoed / 100, `${resent} of ${echoed} datagrams were lost over IPv${family}`);
      }
      for (const size of pingSizes) await lab.ping(family, size);
    }
    await holdTrains(server.name, client.name, offload);
    const { world } = lab;
    for (const host of [world.client, world.gateway, world.office]) assert.deepEqual(await badPackets(host), []);
  });
}

/** An end with offloads has super-packets in its device both ways, one without has none; culvertd's socket has trains. */
async function holdTrains(server: string, client: string, offload: { server: boolean; client: boolean }) {
  const { world } = lab;
  const ends = [
    [server, offload.server, world.gateway, server === 'culvert' ? 'culvert0' : 'tun0'],
    [client, offload.client, world.client, 'tun0'],
  ] as const;
  for (const [name, on, host, device] of ends) {
    const { sent, received } = await averagePackets(host, device);
    const large = [sent > MTU, received > MTU];
    const told = `${name} on ${host.label}: ${sent.toFixed(0)} bytes sent, ${received.toFixed(0)} received a packet`;
    assert.deepEqual(large, [on, on], told);
  }
  if (server !== 'culvert') return;
  const { trainsSent = 0, trainsReceived = 0, ...rest } = await lab.listenerStats();
  assert.equal(trainsSent > 100, offload.server, `${trainsSent} trains sent`);
  // Trains arrive where the peer sends them: the socket takes them apart again.
  if (client === 'culvert' && offload.client) {
    assert.equal(trainsReceived > 100, offload.server, `${trainsReceived} trains received`);
  }
  assert.equal(rest['dataUnauthenticated'] ?? 0, 0);
}
