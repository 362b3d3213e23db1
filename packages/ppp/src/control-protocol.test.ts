import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { Bench, bad, good } from '../test/control-bench.ts';
import { type AutomatonEvent, State, transition } from './automaton.ts';
import { decodeOptions, encodeOptions } from './packet.ts';

const ways: Readonly<Record<keyof typeof State, readonly AutomatonEvent[]>> = {
  initial: [],
  starting: ['Open'],
  closed: ['Up'],
  stopped: ['Open', 'Up', 'TO-'],
  closing: ['Open', 'Up', 'Close'],
  stopping: ['Open', 'Up', 'RCR+', 'RCA', 'RTR'],
  reqSent: ['Open', 'Up'],
  ackRcvd: ['Open', 'Up', 'RCA'],
  ackSent: ['Open', 'Up', 'RCR+'],
  opened: ['Open', 'Up', 'RCR+', 'RCA'],
};

/** An answer counts once: these cells of the table are for peers that answer twice. */
const deaf = new Set(['RCA 7', 'RCN 7', 'RCA 9', 'RCN 9']);
const events: readonly AutomatonEvent[] = [
  'Up',
  'Down',
  'Open',
  'Close',
  'TO+',
  'TO-',
  'RCR+',
  'RCR-',
  'RCA',
  'RCN',
  'RTR',
  'RTA',
  'RUC',
  'RXJ+',
  'RXJ-',
  'RXR',
];

for (const [name, way] of Object.entries(ways)) {
  const state = State[name as keyof typeof State];
  for (const event of events) {
    // After Stopping's goodbye the counter is zero at once (zrc), so its first timeout is the last.
    if (name === 'stopping' && event === 'TO+') continue;
    test(`${event} in ${name}`, () => {
      const bench = new Bench();
      for (const step of way) {
        bench.cause(step);
        bench.sent();
      }
      bench.events();
      assert.equal(bench.protocol.state, state);
      bench.cause(event);

      const cell = transition(state, event);
      const isDeaf = deaf.has(`${event} ${state}`);
      const next = cell === undefined || isDeaf ? state : cell.next;
      assert.equal(bench.protocol.state, next);
      const actions = cell === undefined || isDeaf ? [] : cell.actions;
      const toSend = actions.filter((action) => ['scr', 'sca', 'scn', 'str', 'sta', 'scj'].includes(action));
      assert.deepEqual(bench.sent(), toSend);
      const toTell = actions.filter((action) => ['tlu', 'tld', 'tlf'].includes(action));
      const told = bench.events().filter((one) => one !== 'terminated' && one !== 'failed' && one !== 'packet');
      assert.deepEqual(told, toTell);
    });
  }
}

test('a request goes out ten times, at growing distances, and then no more', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  const first = bench.now;
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    if (bench.sent().includes('scr')) times.push(bench.now - first);
    const next = bench.protocol.pollTimeout();
    if (next === undefined) break;
    bench.later(next - bench.now);
  }
  assert.equal(times.length, 10);
  assert.deepEqual(times.slice(0, 4), [0, 750, 2_250, 5_250]);
  assert.deepEqual(bench.events(), ['tlf']);
  assert.equal(bench.protocol.stats.retransmits, 9);
});

test('a repeated request has its identifier, one with other options a new one', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  bench.sent();
  const { id } = bench.request;
  bench.later();
  bench.sent();
  assert.equal(bench.request.id, id);
  bench.packet(3, id, encodeOptions([{ type: 1, data: Uint8Array.of(5) }]));
  bench.sent();
  assert.notEqual(bench.request.id, id);
  assert.deepEqual(decodeOptions(bench.request.body), [{ type: 1, data: Uint8Array.of(5) }]);
});

test('answers to another request, or twice, or with other options are dropped', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  bench.sent();
  const { id, body } = bench.request;
  bench.packet(2, id + 1, body);
  bench.packet(2, id, good);
  bench.packet(4, id, encodeOptions([{ type: 3, data: new Uint8Array(0) }]));
  bench.packet(3, id, new Uint8Array(0));
  bench.packet(3, id, Uint8Array.of(1, 200, 3));
  assert.equal(bench.protocol.state, State.reqSent);
  assert.deepEqual(bench.protocol.stats, { malformed: 4, unexpected: 1, retransmits: 0 });
  bench.packet(2, id, body);
  assert.equal(bench.protocol.state, State.ackRcvd);
  bench.packet(2, id, body);
  assert.equal(bench.protocol.state, State.ackRcvd);
});

test('after five Naks the answer is a Reject', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  const codes: (number | undefined)[] = [];
  for (let n = 0; n < 7; n++) {
    bench.packet(1, n, bad);
    bench.sent();
    codes.push(bench.last?.code);
  }
  assert.deepEqual(codes, [3, 3, 3, 3, 3, 4, 4]);
});

test('what cannot be agreed on is told once, and not answered', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  bench.sent();
  bench.packet(1, 1, encodeOptions([{ type: 1, data: Uint8Array.of(99) }]));
  assert.deepEqual(bench.events(), ['failed']);
  assert.deepEqual(bench.sent(), []);
  bench.packet(3, bench.request.id, encodeOptions([{ type: 1, data: Uint8Array.of(66) }]));
  assert.deepEqual(bench.events(), ['failed']);
});

test('a peer that refuses for ever is given up', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  let refusals = 0;
  while (!bench.events().includes('failed')) {
    bench.sent();
    bench.packet(3, bench.request.id, encodeOptions([{ type: 1, data: Uint8Array.of(refusals & 7) }]));
    assert.ok(++refusals < 20);
  }
  assert.equal(refusals, 12);
});

test('the first request of the peer brings ours again, if it is unanswered', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  bench.sent();
  bench.packet(1, 1, bad);
  assert.deepEqual(bench.sent(), ['scn'], 'not at the instant at which it was sent');

  const later = new Bench();
  later.cause('Open');
  later.cause('Up');
  later.sent();
  const { id } = later.request;
  later.now = (later.now + 100) as Instant;
  later.packet(1, 1, good);
  assert.deepEqual(later.sent(), ['scr', 'sca']);
  assert.equal(later.request.id, id);
  later.packet(1, 2, good);
  assert.deepEqual(later.sent(), ['sca'], 'once');
});

test('a request that repeats itself is acknowledged again; a fourth time it begins anew', () => {
  const bench = new Bench();
  for (const step of ways.opened) {
    bench.cause(step);
    bench.sent();
  }
  bench.events();
  for (let n = 0; n < 3; n++) {
    bench.packet(1, 40 + n, good);
    assert.deepEqual(bench.sent(), ['sca']);
    assert.equal(bench.last?.id, 40 + n);
  }
  assert.deepEqual(bench.events(), []);
  bench.packet(1, 50, good);
  assert.deepEqual(bench.sent(), ['scr', 'sca']);
  assert.deepEqual(bench.events(), ['tld']);
});

test('answers and goodbyes carry the identifier of what they answer, goodbyes our words', () => {
  const bench = new Bench();
  for (const step of ways.opened) bench.cause(step);
  bench.sent();
  bench.packet(5, 200);
  bench.sent();
  assert.deepEqual([bench.last?.code, bench.last?.id], [6, 200]);

  const closing = new Bench();
  for (const step of ways.opened) closing.cause(step);
  closing.sent();
  closing.protocol.close(closing.now, new TextEncoder().encode('bye'));
  assert.deepEqual(closing.sent(), ['str']);
  assert.deepEqual(closing.last?.body, new TextEncoder().encode('bye'));
  closing.later(1_000);
  assert.deepEqual(closing.sent(), ['str'], 'twice (Max-Terminate)');
  closing.later(1_000);
  assert.deepEqual([closing.sent(), closing.events().at(-1)], [[], 'tlf']);
});

test('a Code-Reject quotes what it rejects, no longer than the peer can take', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  bench.sent();
  bench.packet(99, 1, new Uint8Array(500).fill(7));
  assert.deepEqual(bench.sent(), ['scj']);
  assert.equal(bench.last?.body.length, 96);
  assert.deepEqual([...(bench.last?.body.subarray(0, 5) ?? [])], [99, 1, 1, 248, 7]);
});

test('what breaks the layout is counted and does nothing else', () => {
  const bench = new Bench();
  bench.cause('Open');
  bench.cause('Up');
  bench.sent();
  const hostile = [
    [],
    [1],
    [1, 1, 0],
    [1, 1, 0, 3],
    [1, 1, 0, 5],
    [1, 1, 0, 6, 1, 1],
    [1, 1, 0, 6, 1, 3],
    [7, 1, 0, 4],
  ];
  for (const bytes of hostile) bench.protocol.handlePacket(Uint8Array.from(bytes), bench.now);
  assert.equal(bench.protocol.stats.malformed, hostile.length);
  assert.deepEqual(bench.sent(), []);
  assert.equal(bench.protocol.state, State.reqSent);
});

test('an end that acknowledges last does so behind the Ack of the peer, and asks no more from then on', () => {
  const bench = new Bench({ patience: 3 });
  bench.cause('Open');
  bench.cause('Up');
  assert.deepEqual(bench.sent(), ['scr']);
  bench.packet(1, 101, good);
  assert.deepEqual(bench.sent(), [], 'held');
  bench.later(750);
  assert.deepEqual(bench.sent(), ['scr'], 'the peer, which is not open yet, gets the request again');
  bench.packet(1, 102, good);
  bench.packet(2, bench.request.id, bench.request.body);
  assert.deepEqual(bench.sent(), ['sca']);
  assert.equal(bench.last?.id, 102, 'the last one that the peer asked');
  assert.ok(bench.protocol.isOpen);
  bench.packet(1, 103, good);
  assert.deepEqual(bench.sent(), ['sca'], 'where our Ack was lost the peer asks again');
});

test('an end that acknowledges last takes back what it holds when the peer asks for something else, and waits no longer than a few seconds', () => {
  const bench = new Bench({ patience: 3 });
  bench.cause('Open');
  bench.cause('Up');
  bench.packet(1, 101, good);
  bench.packet(1, 102, bad);
  assert.deepEqual(bench.sent(), ['scr', 'scn']);
  bench.packet(2, bench.request.id, bench.request.body);
  assert.deepEqual(bench.sent(), [], 'the one that it held is not what the peer asks for any more');
  const patient = new Bench({ patience: 3 });
  patient.cause('Open');
  patient.cause('Up');
  for (const wait of [750, 1_500, 3_000]) {
    patient.packet(1, 101, good);
    assert.ok(!patient.sent().includes('sca'));
    patient.later(wait);
  }
  patient.sent();
  patient.packet(1, 102, good);
  assert.deepEqual(patient.sent(), ['sca'], 'a peer that waits for us too');
});
