/** Calls whose path takes less than most: what leaves whole. Loopback plays the path. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, test } from 'node:test';
import { Join } from '@culvert/cipher';
import type { Link } from '@culvert/core';
import { batchOf, enterFreshNamespace, eventually, flowPackets, ipv4Packet } from '@culvert/testkit';
import { L2tpLab } from '../../test/l2tp-lab.ts';
import { gateway, laptop } from '../../test/pptp-lab.ts';
import { joined, Received } from '../../test/trains.ts';

const skip = enterFreshNamespace();
const setMtu = (mtu: number) => execFileSync('ip', ['link', 'set', 'lo', 'mtu', `${mtu}`]);
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}
afterEach(() => {
  if (skip === false) setMtu(65_536);
});

const flow = (bytes: number, sourcePort: number) =>
  flowPackets({ version: 4, protocol: 'tcp', from: 2, to: 1, sourcePort, count: 40, size: bytes - 40 });

const cbc = { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-256-128' } as const;

for (const [name, esp] of [
  ['AES-GCM', undefined],
  ['AES-CBC', [cbc]],
] as const) {
  test(`${name}: a link knows what its path takes, from the beginning and after a refusal, and such trains leave whole`, {
    skip,
  }, async () => {
    setMtu(1_400);
    await using lab = await L2tpLab.open({ join: Join.all });
    const { link } = await lab.dial({ join: Join.all, ...(esp !== undefined && { esp }) });
    await eventually('the gateway has the link', () => lab.accepted.length === 1);
    const far = lab.accepted[0]?.link;
    assert.ok(far);
    const fallbacks = (end: Link) => (end.wire ?? lab.listener.stats)['trainFallbacks'];
    for (const [from, to] of [
      [link, far],
      [far, link],
    ] as const) {
      const received = new Received(to);
      const send = async (packets: readonly Uint8Array[]) => {
        from.send(joined(packets));
        await eventually('all came', () => received.has(packets));
      };
      from.send(batchOf([ipv4Packet(100, 1)]));
      await eventually('the first came', () => received.count === 1);
      const whole = from.unfragmented ?? assert.fail();
      assert.ok(whole > 1_280 && whole < 1_350, `${whole}`);
      await send(flow(whole, 1_000));
      assert.equal(fallbacks(from), 0);
      await send(flow(whole + 1, 2_000));
      assert.equal(fallbacks(from), 1, 'a byte more leaves as datagrams');
    }
    setMtu(1_300);
    // A second refusal within a second is asked about when that is over, by what is sent then.
    await eventually('the link knows', () => {
      link.send(joined(flow(link.unfragmented ?? 0, 3_000)));
      return (link.unfragmented ?? 0) < 1_250;
    });
    const received = new Received(far);
    const before = fallbacks(link);
    const packets = flow(link.unfragmented ?? 0, 4_000);
    link.send(joined(packets));
    await eventually('all came', () => received.has(packets));
    assert.equal(fallbacks(link), before);
  });
}
