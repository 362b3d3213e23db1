/** A client that floods, through real sockets: what another link of the same listener loses, and how long it waits. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Millis } from '@culvert/base';
import type { Link } from '@culvert/core';
import { batchOf, ipv4Packet } from '@culvert/testkit';
import { systemClock } from '../src/clock.ts';

const LASTS: Millis = 2_000;
/** What the packets of the flood cost behind their link, each: far more than to send and to read them, on any machine. */
const COST: Millis = 0.01;
/** As many as would take three times as long as there is. */
const PER_MILLI = 3 / COST;
const burst = batchOf(Array.from({ length: 64 }, (_, n) => ipv4Packet(150, n)));
const PING_EVERY: Millis = 5;
const MOST_TRIES = 3;
/** Where a ping has the time at which it was sent. */
const SENT_AT = 20;

interface Flooded {
  readonly sent: number;
  /** Of the other link's packets, from 0 to 1. */
  readonly lost: number;
  /** Of the others, from end to end. */
  readonly median: Millis;
  readonly summary: string;
}

/**
 * The first of two clients floods, loses most of it, and the other little. Each link as its client has it, and as the listener, who gives packets
 * one by one. `over` counts what was over a share.
 */
export async function floodCostsOthersLittle(
  t: TestContext,
  flooding: readonly [Link, Link],
  other: readonly [Link, Link],
  over: () => number,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const before = over();
    const { sent, lost, median, summary } = await flood(flooding, other);
    const overShare = over() - before;
    t.diagnostic(`${summary}; of ${sent} packets of the flood ${overShare} were over its share`);
    assert.ok(overShare > sent / 4, `${overShare} of ${sent}`);
    // Without shares OpenVPN has 61 to 81 %, and within 470 to 1,130 ms; L2TP/IPsec 45 to 66 %, and 410 to 700 ms.
    if (lost < 0.3 && median < 300) break;
    // All is in one thread: a machine that stops it for a moment stops who empties the queue.
    assert.ok(tries < MOST_TRIES, summary);
  }
  // Packets of the other that were held up come together.
  assert.equal(flooding[1].stats.droppedIn + other[1].stats.droppedIn, over());
}

async function flood([ours, flooded]: readonly [Link, Link], [theirs, other]: readonly [Link, Link]): Promise<Flooded> {
  flooded.onPackets(({ count }) => {
    for (const end = systemClock.now() + count * COST; systemClock.now() < end; );
  });
  const delays: Millis[] = [];
  other.onPackets(({ view, offsets, count }) => {
    for (let i = 0; i < count; i++) delays.push(systemClock.now() - view.getFloat64((offsets[i] ?? 0) + SENT_AT));
  });
  const start = systemClock.now();
  let [sent, pings] = [0, 0];
  for (let now = start; now < start + LASTS; now = systemClock.now()) {
    for (; sent < (now - start) * PER_MILLI; sent += burst.count) ours.send(burst);
    for (; pings * PING_EVERY < now - start; pings++) theirs.send(ping(pings));
    await setImmediate();
  }
  const lost = 1 - delays.length / pings;
  const median = delays.toSorted((a, b) => a - b)[delays.length >> 1] ?? Number.POSITIVE_INFINITY;
  const summary = `${(100 * lost).toFixed(1)} % lost, half of the others within ${median.toFixed(0)} ms`;
  return { sent, lost, median, summary };
}

function ping(n: number) {
  const packet = ipv4Packet(100, n);
  new DataView(packet.buffer, packet.byteOffset).setFloat64(SENT_AT, systemClock.now());
  return batchOf([packet]);
}
