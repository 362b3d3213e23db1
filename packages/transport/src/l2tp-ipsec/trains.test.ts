/** Trains through real sockets, and that they take the straight way between inner packets and ESP. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { Join } from '@culvert/cipher';
import { batchOf, enterFreshNamespace, eventually, type FlowOptions, flowPackets, ipv4Packet } from '@culvert/testkit';
import { L2tpLab } from '../../test/l2tp-lab.ts';
import { gateway, laptop } from '../../test/pptp-lab.ts';
import { joined, Received } from '../../test/trains.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

const flow = (o: Partial<FlowOptions> = {}) =>
  flowPackets({ version: 4, protocol: 'tcp', from: 2, to: 1, sourcePort: 1_000, count: 40, size: 1_300, ...o });

const cbc = { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-256-128' } as const;

for (const [cipherImplementation, esp] of [
  ['native', undefined],
  ['portable', undefined],
  ['native', [cbc]],
] as const) {
  test(`${cipherImplementation}, ${esp === undefined ? 'AES-GCM' : 'AES-CBC'}: super-packets come out as they went in, both ways, and are counted as packets`, {
    skip,
  }, async () => {
    await using lab = await L2tpLab.open({ join: Join.all, cipherImplementation });
    const { link } = await lab.dial({ join: Join.all, cipherImplementation, ...(esp !== undefined && { esp }) });
    assert.match(String(link.facts.esp), esp === undefined ? /gcm/i : /aes256-hmac-sha2-256/);
    await eventually('the gateway has the link', () => lab.accepted.length === 1);
    const far = lab.accepted[0]?.link;
    assert.ok(far);
    for (const [from, to] of [
      [link, far],
      [far, link],
    ] as const) {
      const received = new Received(to);
      const before = from.stats.droppedOut + to.stats.droppedIn;
      const first = ipv4Packet(100, 1);
      from.send(batchOf([first]));
      await eventually('the first came, and tells what others begin with', () => received.has([first]));
      const packets = [...flow(), ...flow({ version: 6 }), ...flow({ protocol: 'udp', count: 9, size: 300 })];
      from.send(joined(packets));
      await eventually('all came', () => received.has(packets));
      assert.equal(received.count, packets.length + 1);
      assert.ok(received.largest > 10_000, `joined to ${received.largest} bytes`);
      const bytes = packets.reduce((sum, { length }) => sum + length, first.length);
      assert.deepEqual([from.stats.packetsOut, from.stats.bytesOut], [packets.length + 1, bytes]);
      assert.deepEqual([to.stats.packetsIn, to.stats.bytesIn], [packets.length + 1, bytes]);
      assert.equal(from.stats.droppedOut + to.stats.droppedIn, before);
    }
  });
}

for (const trains of [undefined, false]) {
  const what = trains === false ? 'datagrams leave and come one by one' : 'datagrams leave and come in trains';
  test(`offloads ${trains === false ? 'off' : 'on'}: ${what}, at both ends`, { skip }, async () => {
    const offload = { join: Join.all, ...(trains !== undefined && { trains }) };
    await using lab = await L2tpLab.open(offload);
    const { link } = await lab.dial(offload);
    await eventually('the gateway has the link', () => lab.accepted.length === 1);
    const far = lab.accepted[0]?.link;
    assert.ok(far);
    for (const [from, to] of [
      [link, far],
      [far, link],
    ] as const) {
      const received = new Received(to);
      from.send(joined(flow()));
      await eventually('all came', () => received.has(flow()));
    }
    for (const counts of [link.wire ?? {}, lab.listener.stats]) {
      const { trainsSent, trainsReceived, socketsWithoutSegmentation, socketsWithoutCoalescing } = counts;
      if (trains === undefined) assert.ok((trainsSent ?? 0) > 0 && (trainsReceived ?? 0) > 0, 'trains');
      else assert.deepEqual([trainsSent, trainsReceived], [0, 0]);
      const off = trains === undefined ? 0 : 2;
      assert.deepEqual([socketsWithoutSegmentation, socketsWithoutCoalescing], [off, off]);
    }
  });
}

test('trains go on while keys change', { skip }, async () => {
  await using lab = await L2tpLab.open({ join: Join.all });
  const { link } = await lab.dial({ join: Join.all, lifetimes: { phase2Seconds: 4 } });
  await eventually('the gateway has the link', () => lab.accepted.length === 1);
  const far = lab.accepted[0]?.link;
  assert.ok(far);
  const received = new Received(far);
  const sent: Uint8Array[] = [];
  const until = performance.now() + 5_000;
  for (let turn = 0; performance.now() < until; turn++) {
    const packets = flow({ first: turn * 40 });
    link.send(joined(packets));
    sent.push(...packets);
    await eventually('the turn came', () => received.has(packets));
  }
  assert.equal(received.count, sent.length);
});
