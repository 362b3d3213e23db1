/** What happens to a link in the middle of a bulk transfer: new keys, another address; and trains over a TCP transport. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { labIsPossible, missingForLab } from '@culvert/testkit';
import { culvert } from '../interop/ends/culvert.ts';
import { openvpn } from '../interop/ends/openvpn.ts';
import { averagePackets, badPackets, inTheMiddle, labTools, TrainLab } from './train-lab.ts';

const BYTES = 20_000_000;
const MTU = 1_500;

let lab: TrainLab;
before(async () => {
  if (missingForLab(labTools).length === 0) lab = await TrainLab.open();
});
after(() => lab?.[Symbol.asyncDispose]());

test('new keys every second in the middle of bulk transfers cost no stall', async (t) => {
  if (!labIsPossible(t, labTools)) return;
  await lab.connect(culvert, culvert, { renegotiateAfter: 1 });
  const before = lab.keyExchanges();
  for (let turn = 0; lab.keyExchanges() < before + 4; turn++) {
    assert.ok(turn < 50, `${lab.keyExchanges() - before} key exchanges in ${turn} transfers`);
    const { longestSilence } = await lab.transfer(turn % 2 === 0 ? 'get' : 'put', turn % 4 < 2 ? 4 : 6, BYTES);
    assert.ok(longestSilence < 1_000, `silent for ${longestSilence} ms`);
  }
});

test("the client's address changes in the middle of bulk transfers, and they go on", async (t) => {
  if (!labIsPossible(t, labTools)) return;
  await lab.connect(culvert, culvert, {});
  const { client } = lab.world;
  // The new address outlives the old one, whose network it is in.
  await client.exec('sysctl', ['-qw', 'net.ipv4.conf.eth0.promote_secondaries=1']);
  let [from, to] = ['192.0.2.2', '192.0.2.22'];
  const move = async () => {
    await client.ip(`address add ${to}/24 dev eth0`);
    await client.ip(`address del ${from}/24 dev eth0`);
    await client.ip('route replace default via 192.0.2.1');
    [from, to] = [to, from];
  };
  for (const what of ['get', 'put'] as const) {
    await inTheMiddle(lab, what, bytesOfTun, move, async ({ longestSilence }) => {
      assert.ok(longestSilence < 4_000, `${what}: silent for ${longestSilence} ms`);
    });
  }
  // Told once a second at most, and the second move may follow within it.
  assert.match(lab.log, /a peer moved/);
});

for (const [server, client] of [
  [culvert, culvert],
  [culvert, openvpn],
  [openvpn, culvert],
] as const) {
  test(`over TCP: ${server.name} serves ${client.name}, and everything arrives`, async (t) => {
    if (!labIsPossible(t, labTools)) return;
    await lab.connect(server, client, { protocol: 'tcp' });
    for (const family of [4, 6] as const) {
      for (const what of ['get', 'put'] as const) {
        const { longestSilence } = await lab.transfer(what, family, BYTES);
        assert.ok(longestSilence < 2_000, `${what} over IPv${family}: nothing came for ${longestSilence} ms`);
      }
      const { echoed, resent } = await lab.echo(family, 8, [1, 333, 1_371, 1_472, 4_000]);
      assert.ok(resent <= echoed / 20, `${resent} of ${echoed} datagrams were lost`);
    }
    const { world } = lab;
    if (server === culvert) await holdsTrains(world.gateway, 'culvert0');
    if (client === culvert) await holdsTrains(world.client, 'tun0');
    for (const host of [world.client, world.gateway, world.office]) assert.deepEqual(await badPackets(host), []);
  });
}

async function holdsTrains(...where: Parameters<typeof averagePackets>): Promise<void> {
  const { sent, received } = await averagePackets(...where);
  assert.ok(sent > MTU && received > MTU, `${sent} bytes sent, ${received} received a packet`);
}

async function bytesOfTun(): Promise<number> {
  const [link] = JSON.parse(await lab.world.client.ip('-s -json link show dev tun0'));
  return link.stats64.rx.bytes + link.stats64.tx.bytes;
}
