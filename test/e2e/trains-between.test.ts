/** Trains from client to client, who differ in what they take: the gateway passes them from link to link, and to no device. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labIsPossible, type TestHost } from '@culvert/testkit';
import { GATEWAY, Office } from './office.ts';
import { averagePackets, badPackets, echo, serveTraffic, transfer } from './train-lab.ts';

const tools = ['ping', 'nft', 'sysctl'];
const BYTES = 10_000_000;
const MTU = 1_500;

const phones = [
  { name: 'takes trains', how: {}, trains: true },
  { name: 'takes no trains', how: { up: ['--no-offload'] }, trains: false },
  { name: 'takes trains and came in over TCP', how: { remotes: [`${GATEWAY}:1194:tcp`] }, trains: true },
] as const;

test('TCP and UDP between two clients arrive, whatever each of them takes', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ yaml: 'clientIsolation: false\nfilter: { default: allow }' });
  const [laptop, phone] = [office.host('laptop'), office.host('phone')];
  await office.startGateway();
  await office.connect(laptop, 'alice');
  await serveTraffic(phone);
  for (const { name, how, trains } of phones) {
    await t.test(`to one who ${name}`, async () => {
      const bob = await office.connect(phone, 'bob', how);
      for (const address of await innerAddresses(phone)) {
        for (const what of ['get', 'put'] as const) {
          const { longestSilence } = await transfer(laptop, what, address, BYTES);
          assert.ok(longestSilence < 2_000, `${what} ${address}: nothing came for ${longestSilence} ms`);
        }
        const { echoed, resent } = await echo(laptop, address, 24, [1, 333, 1_371, 1_472, 4_000]);
        assert.ok(resent <= echoed / 20, `${resent} of ${echoed} datagrams were lost`);
      }
      const { sent, received } = await averagePackets(phone, 'tun0');
      assert.deepEqual([sent > MTU, received > MTU], [trains, trains], `${sent} sent, ${received} received`);
      for (const host of [laptop, phone, office.host('gateway')]) assert.deepEqual(await badPackets(host), []);
      await office.culvert(phone, 'down', 'bob').succeeded();
      assert.equal((await bob.exited).code, 0);
    });
  }
});

/** One of either IP version. */
async function innerAddresses(host: TestHost): Promise<string[]> {
  const [link] = JSON.parse(await host.ip('-json address show dev tun0'));
  const infos: readonly { local: string; scope: string }[] = link.addr_info;
  const addresses = infos.filter(({ scope }) => scope === 'global').map(({ local }) => local);
  assert.equal(addresses.length, 2);
  return addresses;
}
