import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace, eventually } from '@culvert/testkit';
import { floodCostsOthersLittle } from '../../test/flood.ts';
import { carry, L2tpLab } from '../../test/l2tp-lab.ts';
import { gateway, laptop, stranger } from '../../test/pptp-lab.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger])
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

test('a client that floods loses most of it, and another link little', { skip }, async (t) => {
  await using lab = await L2tpLab.open();
  const clients = [await lab.dial(), await lab.dial({ localAddress: stranger })];
  await eventually('the gateway has the links', () => lab.accepted.length === 2);
  for (const client of clients) await carry(lab, client);
  const [flooding, other] = clients.map((client) => [client.link, lab.peerOf(client).link] as const);
  assert.ok(flooding && other);
  await floodCostsOthersLittle(t, flooding, other, () => lab.listener.stats['espOverShare'] ?? 0);
});
