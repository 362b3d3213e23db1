/** Two cores, as two packet threads have them, each with its own links and the other's elsewhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { complain, type Forged, forge } from '../test/forged-packets.ts';
import { Office, StubLink } from '../test/office.ts';
import type { LinkConfig, TunnelCore, TunnelCoreOptions } from './index.ts';
import { type ElsewhereLink, Handed } from './index.ts';

/** `link` as the threads see it that do not have it: what it is given arrives at its own core at once. */
class Elsewhere extends StubLink implements ElsewhereLink {
  readonly #core: TunnelCore;
  readonly #now: () => Office['now'];
  readonly handed: Handed[] = [];

  constructor(link: StubLink, { core, now }: { readonly core: TunnelCore; readonly now: () => Office['now'] }) {
    super(link.id, link.config, link.principal.groups, link.since);
    this.#core = core;
    this.#now = now;
  }

  override send(batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) this.handOver(batch, i, Handed.fromDevice);
  }

  handOver(batch: PacketBatch, i: number, how: Handed): void {
    this.handed.push(how);
    const [at, length] = [batch.offsets[i] ?? 0, batch.lengths[i] ?? 0];
    const copy = createPacketBatch(1, length);
    copy.arena.set(batch.arena.subarray(at, at + length));
    copy.lengths[0] = copy.used = length;
    copy.tags[0] = how;
    copy.count = 1;
    this.#core.handleHandedOver(copy, this.#now());
  }
}

/** Link 1 with one core, link 2 with the other. */
function open(options: Partial<TunnelCoreOptions> = {}, second: Partial<LinkConfig> = {}) {
  const [here, there] = [new Office(options), new Office(options)];
  const a = here.connect();
  const b = new StubLink(2, second, [], there.now);
  there.core.attach(b);
  const aThere = new Elsewhere(a, { core: here.core, now: () => here.now });
  const bHere = new Elsewhere(b, { core: there.core, now: () => there.now });
  there.core.attachElsewhere(aThere);
  here.core.attachElsewhere(bHere);
  return { here, there, a, b, aThere, bHere };
}

const [A, B, OFFICE] = ['10.8.0.2', '10.8.0.3', '192.168.10.5'];
const meet = { clientIsolation: false, filter: { rules: [], default: 'allow' } } as const;
const packet = (from: string, to: string, more: Partial<Forged> = {}) => forge({ from, to, ...more });

test('a packet of the office for a link elsewhere is handed over, and the filter there judges it', () => {
  const { here, b } = open();
  here.send(packet(OFFICE, B));
  assert.deepEqual(b.received(), [], 'nobody asked for it');
  b.bring(packet(B, OFFICE, { ports: [5_000, 53] }));
  here.send(packet(OFFICE, B, { ports: [53, 5_000] }));
  assert.equal(b.received().length, 1, 'an answer passes, whichever thread read it');
});

test('what it counts is counted where the link is', () => {
  const { here, there, b, bHere } = open();
  here.send(packet(OFFICE, B));
  assert.equal(there.core.view(b)?.counters.dropped.filtered, 1);
  assert.deepEqual([...here.core.links()].length, 1, 'a link elsewhere is no link here');
  assert.deepEqual(bHere.handed, [Handed.fromDevice]);
});

test('links of two threads are as isolated as links of one', () => {
  const { here, there, a, b } = open();
  a.bring(packet(A, B));
  b.bring(packet(B, A));
  assert.deepEqual([...a.received(), ...b.received()], []);
  assert.equal(here.core.view(a)?.counters.dropped.isolated, 1);
  assert.equal(there.core.view(b)?.counters.dropped.isolated, 1);
});

test('no link sends as a link elsewhere', () => {
  const { here, a } = open(meet);
  a.bring(packet(B, OFFICE));
  assert.equal(here.core.view(a)?.counters.dropped.spoofed, 1);
  assert.deepEqual(here.delivered(), []);
});

test('links that may meet exchange packets, with one hop less to go', () => {
  const { a, b } = open(meet);
  a.bring(packet(A, B, { hopLimit: 9 }));
  const [got] = b.received();
  assert.equal(got?.[8], 8);
  b.bring(packet(B, A, { ports: [443, 40_000] }));
  assert.equal(a.received().length, 1);
});

test('a link that may begin nothing may answer a link elsewhere', () => {
  const rules = [{ action: 'deny', networks: [`${A}/32`], direction: 'fromClient' }] as const;
  const { a, b, aThere } = open({ clientIsolation: false, filter: { rules, default: 'allow' } });
  b.bring(packet(B, A));
  assert.deepEqual(a.received(), [], 'B may not begin');
  a.bring(packet(A, B));
  assert.equal(b.received().length, 1, 'A may');
  b.bring(packet(B, A, { ports: [443, 40_000] }));
  assert.equal(a.received().length, 1, 'and is answered');
  assert.deepEqual(aThere.handed, [Handed.answerOnly, Handed.answerOnly]);
  const [about] = [packet(A, B)];
  b.bring(complain(B, about));
  assert.equal(a.received().length, 1, 'as is an error about it');
});

test('hops that run out and sizes that do not fit are told to the sender by its own thread', () => {
  const { a, b, bHere } = open(meet, { mtu: 1_300 });
  a.bring(packet(A, B, { hopLimit: 1 }), packet(A, B, { payload: 1_400 }));
  const told = a.received();
  assert.deepEqual(
    told.map((error) => [error[20], error[21]]),
    [
      [11, 0],
      [3, 4],
    ],
  );
  assert.deepEqual([b.received(), bHere.handed], [[], []]);
});

test('the longest prefix counts across threads', () => {
  const { here, there } = open();
  const wide = here.connect({ ipv4: undefined, ipv6: undefined, networksBehind: ['10.1.0.0/16'] });
  const narrow = new StubLink(9, { ipv4: undefined, ipv6: undefined, networksBehind: ['10.1.2.0/24'] }, [], there.now);
  there.core.attach(narrow);
  const narrowHere = new Elsewhere(narrow, { core: there.core, now: () => there.now });
  here.core.attachElsewhere(narrowHere);
  narrow.bring(packet('10.1.2.3', OFFICE, { ports: [5_000, 53] }));
  here.send(packet(OFFICE, '10.1.2.3', { ports: [53, 5_000] }));
  assert.deepEqual([narrow.received().length, wide.received().length], [1, 0]);
});

test('what was handed over is not handed back', () => {
  const { here, there } = open();
  const moved = new StubLink(3, {}, [], there.now);
  const ours = new Elsewhere(moved, { core: there.core, now: () => there.now });
  const theirs = new Elsewhere(moved, { core: here.core, now: () => here.now });
  here.core.attachElsewhere(ours);
  there.core.attachElsewhere(theirs);
  here.send(packet(OFFICE, '10.8.0.4'));
  assert.deepEqual([ours.handed.length, theirs.handed.length], [1, 0]);
  assert.equal(there.core.dropped.noRoute, 1);
});

test('once it is detached its packets have no route', () => {
  const { here, bHere } = open();
  here.core.detachElsewhere(bHere);
  here.send(packet(OFFICE, B));
  assert.equal(here.core.dropped.noRoute, 1);
  assert.deepEqual(bHere.handed, []);
});
