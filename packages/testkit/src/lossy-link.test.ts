import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, Machine, Path, Transmit } from '@culvert/base';
import { LossyLink, simulatedEndpoints, simulatedPath } from './lossy-link.ts';

/** Sends a number every `period` until `count` are out; reports what it hears. */
class Counter implements Machine<number> {
  readonly paths: Path[] = [];
  readonly #side: 0 | 1;
  readonly #count: number;
  #next = 0;
  #due: Instant | undefined;
  #out: Transmit[] = [];
  #events: number[] = [];

  constructor(side: 0 | 1, count: number, start: Instant) {
    this.#side = side;
    this.#count = count;
    this.#due = count > 0 ? start : undefined;
  }
  handleDatagram(datagram: Uint8Array, path: Path): void {
    this.paths.push(path);
    this.#events.push(datagram[0] ?? -1);
  }
  handleTimeout(now: Instant): void {
    this.#out.push({ datagram: Uint8Array.of(this.#next++), path: simulatedPath(this.#side) });
    this.#due = this.#next < this.#count ? ((now + 100) as Instant) : undefined;
  }
  pollTransmit = () => this.#out.shift();
  pollEvent = () => this.#events.shift();
  pollTimeout = () => this.#due;
}

const start = 1_000_000 as Instant;
const joined = (count: number, options: ConstructorParameters<typeof LossyLink<number>>[2] = {}) => {
  const sender = new Counter(0, count, start);
  const receiver = new Counter(1, 0, start);
  return { receiver, link: new LossyLink<number>(sender, receiver, options) };
};

test('a good wire delivers everything in order, one latency later', () => {
  const { link, receiver } = joined(5, { latency: 30 });
  link.settle(60_000);
  assert.deepEqual(link.events[1], [0, 1, 2, 3, 4]);
  assert.equal(link.now - start, 430);
  assert.deepEqual(receiver.paths[0], {
    socket: 0,
    local: simulatedEndpoints[1],
    remote: simulatedEndpoints[0],
  });
});

test('the same seed gives the same run, another seed another', () => {
  const run = (seed: number) => {
    const { link } = joined(50, { seed, latency: 40, jitter: 300, drop: 0.3, duplicate: 0.2, reorder: 0.2 });
    link.settle(60_000);
    return [...link.events[1], link.now];
  };
  assert.deepEqual(run(7), run(7));
  assert.notDeepEqual(run(7), run(8));
});

test('the wire drops, duplicates, corrupts and reorders about as often as it was told', () => {
  const { link } = joined(250, { jitter: 300, drop: 0.3, duplicate: 0.1, corrupt: 0.1, reorder: 0.1 });
  link.settle(600_000);
  const { stats } = link;
  assert.equal(stats.sent, 250);
  assert.ok(stats.dropped > 50 && stats.dropped < 100, `dropped ${stats.dropped}`);
  for (const count of [stats.duplicated, stats.corrupted, stats.reordered]) assert.ok(count > 5 && count < 50);
  assert.notDeepEqual(
    link.events[1],
    link.events[1].toSorted((a, b) => a - b),
  );
});

test('advance lets exactly the time pass, and settle stops when all is quiet', () => {
  const { link } = joined(1);
  link.settle(60_000);
  assert.equal(link.now - start, 10);
  link.advance(5_000);
  assert.equal(link.now - start, 5_010);
});

test('until stops at the first moment that the condition holds', () => {
  const { link } = joined(10);
  assert.ok(link.until(() => link.events[1].length === 3, 60_000));
  assert.equal(link.now - start, 210);
  assert.equal(
    link.until(() => false, 50),
    false,
  );
  assert.equal(link.now - start, 260);
});

test('a cut wire delivers nothing, and what is sent to a left address is lost', () => {
  const { link } = joined(4, { latency: 10 });
  link.cut = true;
  link.advance(150);
  assert.deepEqual(link.events[1], []);
  link.cut = false;
  link.advance(100);
  link.roam(1, { address: '203.0.113.9', port: 9 });
  link.settle(10_000);
  assert.deepEqual(link.events[1], [2]);
  assert.equal(link.stats.misrouted, 1);
});

test('a machine that asks for work for ever without time passing fails the test instead of hanging it', () => {
  const stuck: Machine<number> = {
    handleDatagram() {},
    handleTimeout() {},
    pollTransmit: () => undefined,
    pollEvent: () => undefined,
    pollTimeout: () => start,
  };
  const link = new LossyLink<number>(stuck, new Counter(1, 0, start));
  assert.throws(() => link.settle(1_000), /ever more work/);
});
