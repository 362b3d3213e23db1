/** Gaps that are longer than MPPE's counts, by loss and by forgery, over real sockets and without state. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet } from '@culvert/testkit';
import { forger, garbage, gre } from '../../test/forger.ts';
import { Caller } from '../../test/pptp-caller.ts';
import { gateway, laptop, PptpLab } from '../../test/pptp-lab.ts';

const AT_ONCE = 100;
const lost = { cause: 'lost', detail: 'so many packets were lost that nothing can be decrypted' };

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

/** A link whose first packet was heard, and so many that were not. */
async function linkWithGap(lab: PptpLab, gap: number) {
  const { link } = await lab.dial();
  const heard = lab.accepted.at(-1);
  assert.ok(heard !== undefined);
  link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('it is heard', () => heard.packets.length === 1);
  const rule = `ip protocol 47 ip daddr ${gateway} drop`;
  execFileSync('nft', [`table ip lossy { chain in { type filter hook input priority 0; ${rule}; }; }`]);
  try {
    for (let n = 0; n < gap; n += AT_ONCE) {
      link.send(batchOf(Array.from({ length: AT_ONCE }, (_, i) => ipv4Packet(100, i))));
      await new Promise(setImmediate);
    }
  } finally {
    execFileSync('nft', ['delete table ip lossy']);
  }
  return { link, heard };
}

test('a hundred thousand packets that are lost in a row are caught up with', { skip }, async () => {
  await using lab = await PptpLab.open();
  const { link, heard } = await linkWithGap(lab, 100_000);
  await eventually('packets get through again', () => {
    link.send(batchOf([ipv4Packet(100, 2)]));
    return heard.packets.length > 10;
  });
});

test('a link that lost three hundred thousand packets in a row says so and ends at once', { skip }, async () => {
  await using lab = await PptpLab.open();
  const { link, heard } = await linkWithGap(lab, 300_000);
  for (let n = 0; n < 2; n++) link.send(batchOf([ipv4Packet(100, n)]));
  assert.deepEqual(await heard.link.closed, lost);
  assert.equal(heard.packets.length, 1);
});

test('pairs of packets whose numbers jump ahead buy no more than one gap’s key changes', { skip }, async () => {
  await using lab = await PptpLab.open();
  using caller = await Caller.open(lab);
  const call = await caller.call();
  const [heard] = lab.accepted;
  assert.ok(heard !== undefined);
  using own = forger(laptop);
  const before = process.cpuUsage();
  for (let jump = 1; jump <= 60; jump++) {
    for (const n of [0, 1]) own.send(gre(call.peerCallId, jump * 150_000 + n, garbage(1 + n)));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(await heard.link.closed, lost);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 1_500_000, 'sixty gaps would cost 3.6 s');
});
