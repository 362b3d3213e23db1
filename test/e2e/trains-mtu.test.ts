/**
 * Paths that take less than the segments of a train: the kernel refuses to cut those up, so datagrams leave one by one and in fragments, until
 * TCP inside makes segments that fit. Datagrams of UDP go on like that.
 *
 *     client ─ eth0 ── eth0 ─ router ─ eth1 ── eth0 ─ gateway ── office
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, labIsPossible, missingForLab } from '@culvert/testkit';
import { culvert } from '../interop/ends/culvert.ts';
import { badPackets, fragmentsOf, inTheMiddle, labTools, TrainLab, withinTransfer } from './train-lab.ts';

const BYTES = 10_000_000;
const SMALL = 1_280;
const LONGEST_SILENCE = 2_000;
/** Datagrams at once. */
const BURST = 24;

type Cable = readonly ['client' | 'router' | 'gateway', 'eth0' | 'eth1'];
const near: readonly Cable[] = [
  ['client', 'eth0'],
  ['router', 'eth0'],
];
const far: readonly Cable[] = [
  ['router', 'eth1'],
  ['gateway', 'eth0'],
];

/** Who learns of the small cable by a router's answer has sent something before, with DF, which is gone. */
const cases = [
  { name: 'everywhere, over IPv4', outer: 4, small: [...near, ...far], lostAtFirst: 0 },
  { name: 'everywhere, over IPv6', outer: 6, small: [...near, ...far], lostAtFirst: 0 },
  { name: "behind the client's router, over IPv4", outer: 4, small: far, lostAtFirst: BURST },
  { name: "behind the client's router, over IPv6", outer: 6, small: far, lostAtFirst: BURST },
] as const;

let lab: TrainLab;
before(async () => {
  if (missingForLab(labTools).length === 0) lab = await TrainLab.open();
});
after(() => lab?.[Symbol.asyncDispose]());

for (const { name, outer, small, lostAtFirst } of cases) {
  test(`a path MTU of ${SMALL} ${name}: TCP completes both ways without a stall, no datagram is lost once the path is known, and the fallback is counted`, async (t) => {
    if (!labIsPossible(t, labTools)) return;
    await setMtu(small, SMALL);
    try {
      await lab.connect(culvert, culvert, { outer });
      const { resent: lost } = await lab.echo(4, BURST, [1_372]);
      t.diagnostic(`${lost} of the first datagrams were lost`);
      assert.ok(lost <= lostAtFirst, `${lost} of the first datagrams were lost`);
      for (const family of [4, 6] as const) {
        for (const what of ['get', 'put'] as const) {
          const { longestSilence } = await lab.transfer(what, family, BYTES);
          assert.ok(longestSilence < LONGEST_SILENCE, `${what} over IPv${family}: silent for ${longestSilence} ms`);
        }
        const { resent } = await lab.echo(family, BURST, [300, 1_200, 1_372]);
        assert.equal(resent, 0, 'what is known to be too long is cut, and not lost');
      }
      const { trainsSent = 0, trainFallbacks = 0 } = await lab.listenerStats();
      assert.ok(trainFallbacks > 0, 'the gateway fell back');
      assert.ok(trainFallbacks < 200, `${trainFallbacks} fallbacks of the gateway: it learns`);
      assert.ok(trainsSent > 0, 'what fits still goes in trains');
      assert.ok(((await lab.clientWire())['trainFallbacks'] ?? 0) > 0, 'the client fell back');
      for (const host of lab.world.lab.hosts) assert.deepEqual(await badPackets(host), []);
    } finally {
      await setMtu(small, 1_500);
    }
  });
}

test('a path MTU that shrinks in the middle of a transfer stalls it for less than two seconds', async (t) => {
  if (!labIsPossible(t, labTools)) return;
  try {
    await lab.connect(culvert, culvert, { outer: 6 });
    for (const what of ['get', 'put'] as const) {
      const change = async () => await setMtu(far, SMALL);
      await inTheMiddle(lab, what, sentBytes, change, async ({ longestSilence }) => {
        assert.ok(longestSilence < LONGEST_SILENCE, `${what}: silent for ${longestSilence} ms`);
        await setMtu(far, 1_500);
      });
    }
  } finally {
    await setMtu(far, 1_500);
  }
});

/** What DSL, a mobile network, or a tunnel around ours leaves. */
const REDUCED = 1_400;
/** More than what is under way at once. */
const QUEUES = 10_000_000;

for (const { name, outer, inner } of [
  { name: 'IPv4 outside, IPv6 inside', outer: 4, inner: 6 },
  { name: 'IPv6 outside, IPv4 inside', outer: 6, inner: 4 },
] as const) {
  test(`where a path comes to take ${REDUCED}, connections that are up and new ones go on in trains, of which nothing is cut (${name})`, async (t) => {
    if (!labIsPossible(t, labTools)) return;
    for (const what of ['get', 'put'] as const) {
      // On a fast machine a transfer may be over before its ends have learnt.
      const learnt =
        (await cutUntilLearnt({ what, outer, inner, bytes: 320_000_000 })) ??
        (await cutUntilLearnt({ what, outer, inner, bytes: 1_280_000_000 }));
      assert.ok(learnt, `${what}: a connection that was up was cut to its end`);
    }
    for (const host of lab.world.lab.hosts) assert.deepEqual(await badPackets(host), []);
  });
}

/** A path comes to take less in the middle of a connection. Whether its ends, which knew of nothing, learnt before it was over: then it and new ones are looked at. */
async function cutUntilLearnt(how: {
  readonly what: 'get' | 'put';
  readonly outer: 4 | 6;
  readonly inner: 4 | 6;
  readonly bytes: number;
}): Promise<boolean> {
  const { what, outer, inner: family, bytes } = how;
  // The client learns of it by the router's answer, the gateway by its own device.
  await forgetPaths();
  await lab.connect(culvert, culvert, { outer });
  const [start, byRouter] = [await fragments(), await fragmentsOf(lab.host('router'))];
  assert.equal(await fallbacks(), 0);
  let learnt: number | undefined;
  try {
    const { longestSilence } = await withinTransfer(lab, { what, family, bytes }, sentBytes, async (end) => {
      await setMtu(far, REDUCED);
      learnt = await settled(start, end);
    });
    assert.ok(longestSilence < LONGEST_SILENCE, `${what}: silent for ${longestSilence} ms`);
    assert.equal(await fragmentsOf(lab.host('router')), byRouter, 'a router that cuts would tell nobody');
    if (learnt === undefined) return false;
    assert.ok((await fallbacks()) > 0, 'it was too small at first');
    await checkWhole(what, learnt);
    return true;
  } finally {
    await setMtu(far, 1_500);
  }
}

/** Fragments made, once no more come though bytes do; undefined: the transfer was over before. */
async function settled(start: number, end: number): Promise<number | undefined> {
  for (;;) {
    const [before, sent] = [await fragments(), await sentBytes()];
    if (sent + QUEUES > end) return undefined;
    await eventually('more bytes have passed', async () => (await sentBytes()) >= sent + QUEUES);
    if (before > start && (await fragments()) === before) return before;
  }
}

/** No more was cut of the connection that was up, and nothing is of new ones. */
async function checkWhole(what: 'get' | 'put', learnt: number): Promise<void> {
  assert.equal(await fragments(), learnt, `${what}: a connection that was up`);
  const refused = await fallbacks();
  for (const family of [4, 6] as const) await lab.transfer(what, family, BYTES);
  assert.equal(await fragments(), learnt, `${what}: new connections`);
  assert.equal(await fallbacks(), refused, `${what}: new connections`);
}

/** Trains that were refused at either end. */
async function fallbacks(): Promise<number> {
  const [gateway, client] = [await lab.listenerStats(), await lab.clientWire()];
  return (gateway['trainFallbacks'] ?? 0) + (client['trainFallbacks'] ?? 0);
}

/** What the kernels learnt before: who knows of a small path makes small segments from the beginning. */
async function forgetPaths(): Promise<void> {
  for (const host of lab.world.lab.hosts) for (const family of [4, 6]) await host.ip(`-${family} route flush cache`);
}

/** Of outer packets, made by either end. */
async function fragments(): Promise<number> {
  return (await fragmentsOf(lab.host('gateway'))) + (await fragmentsOf(lab.host('client')));
}

async function setMtu(cables: readonly Cable[], mtu: number): Promise<void> {
  for (const [label, device] of cables) await lab.host(label).ip(`link set ${device} mtu ${mtu}`);
}

/** Both ways through the router's far device. */
async function sentBytes(): Promise<number> {
  const [link] = JSON.parse(await lab.host('router').ip('-s -json link show dev eth1'));
  return link.stats64.rx.bytes + link.stats64.tx.bytes;
}
