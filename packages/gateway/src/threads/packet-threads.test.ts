/** The main thread's side, over threads that do what the test says. The real ones are in test/e2e/threads.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BroadcastChannel } from 'node:worker_threads';
import type { CloseReason, Instant } from '@culvert/base';
import { type Admitted, type Claim, CoreError, type Link, type Refused, type TransportEvent } from '@culvert/core';
import { eventually, inTime, nullLogger, RecordingLogger } from '@culvert/testkit';
import { claimOf, configOf } from '../../test/fixtures.ts';
import { linkConfig } from '../admission.ts';
import type { LinkState, Order, Report } from './messages.ts';
import { PacketThreads } from './packet-threads.ts';

/** Passes what it is told to the test, and what the test says to the main thread. `die` ends it. */
const body = (channel: string) => `
  import { BroadcastChannel, parentPort, workerData } from 'node:worker_threads';
  const channel = new BroadcastChannel(${JSON.stringify(channel)});
  const { index } = workerData;
  channel.onmessage = ({ data }) => {
    if (data.to !== index) return;
    if (data.die) throw new Error('it was told to');
    parentPort.postMessage(data.report);
  };
  parentPort.on('message', (order) => {
    channel.postMessage({ from: index, order });
    if (order.kind === 'open') parentPort.postMessage({ kind: 'opened', device: 'fake0' });
    const endpoints = [{ address: '192.0.2.1', port: 1194 + index }];
    if (order.kind === 'listen') parentPort.postMessage({ kind: 'listening', endpoints });
  });`;

const failing = `
  import { parentPort, workerData } from 'node:worker_threads';
  const failure = { message: 'no', code: 'CULVERT_TUN_PERMISSION', exitCode: 4, cause: 'EPERM' };
  parentPort.on('message', () => parentPort.postMessage(
    workerData.index === 0 ? { kind: 'opened', device: 'fake0' } : { kind: 'failed', failure }));`;

const twoThreads = { ...configOf(), network: { ...configOf().network, threads: 2 } };
const clock = { now: () => performance.now() as Instant };
let beds = 0;

async function open() {
  const channel = new BroadcastChannel(`packet-threads-${process.pid}-${beds++}`);
  const orders: [thread: number, order: Order][] = [];
  channel.onmessage = (event) => {
    const { data } = event as { data: { from?: number; order: Order } };
    if (data.from !== undefined) orders.push([data.from, data.order]);
  };
  const gone: Error[] = [];
  const log = new RecordingLogger();
  const threads = await PacketThreads.open({
    config: twoThreads,
    openvpn: { listen: [], wrap: { kind: 'none' } },
    tls: { config: configOf(), files: {} },
    tunFd: undefined,
    clock,
    log,
    onWarning: () => {},
    onGone: (error) => gone.push(error),
    body: new URL(`data:text/javascript,${encodeURIComponent(body(channel.name))}`),
  });
  const released: [user: string, why: CloseReason][] = [];
  const links: Link[] = [];
  const events: TransportEvent[] = [];
  const waiting: (() => void)[] = [];
  const signals: AbortSignal[] = [];
  let held = false;
  const admit = async (claim: Claim, signal: AbortSignal): Promise<Admitted | Refused> => {
    signals.push(signal);
    if (held) await new Promise<void>((resolve) => waiting.push(resolve));
    const user = claim.password?.username ?? '';
    if (user === 'mallory') return { kind: 'refused', reason: 'no', tell: 'no' };
    const address = { address: user.slice(5), prefix: 24, gateway: '10.88.0.1' };
    return {
      kind: 'admitted',
      principal: { user, groups: [], certificate: undefined, proofs: ['password'] },
      config: linkConfig(configOf('limits: { idle: 1h }'), { ipv4: address, ipv6: undefined }, []),
      release: (why) => released.push([user, why]),
    };
  };
  const listener = await threads.listen({
    admission: {
      admit,
      reauthenticate: async (link, claim, signal) => admit({ ...claim, remote: link.path.remote }, signal),
    },
    onLink: (link) => links.push(link),
    onEvent: (event) => events.push(event),
    log: nullLogger,
    signal: new AbortController().signal,
  });
  const say = (to: number, report: Report) => channel.postMessage({ to, report });
  const heard = <Kind extends Order['kind']>(thread: number, kind: Kind) =>
    orders.flatMap(([from, order]) =>
      from === thread && order.kind === kind ? [order as Order & { kind: Kind }] : [],
    );
  const bed = {
    threads,
    listener,
    gone,
    released,
    links,
    events,
    signals,
    say,
    heard,
    hold: () => {
      held = true;
      return () => {
        held = false;
        for (const go of waiting.splice(0)) go();
      };
    },
    die: (to: number) => channel.postMessage({ to, die: true }),
    claim: (thread: number, id: number, user: string) =>
      say(thread, { kind: 'claim', id, claim: claimOf({ password: [user, 'x'] }), link: undefined }),
    /** A user's claim that was admitted and came up. The user's name has the address: `user-10.88.0.2`. */
    async connect(thread: number, claim: number, user: string, port = 40_000 + claim): Promise<Link> {
      const before = links.length;
      bed.claim(thread, claim, user);
      await eventually('the answer', () => heard(thread, 'answer').some((order) => order.claim === claim));
      say(thread, { kind: 'up', claim, link: stateOf(2 * claim + thread, port) });
      await eventually('the link', () => links.length > before);
      const link = links.at(-1) as Link;
      threads.attach(link);
      return link;
    },
    async [Symbol.asyncDispose]() {
      await threads.close();
      channel.close();
    },
  };
  return bed;
}

function stateOf(id: number, port: number): LinkState {
  return {
    id,
    transport: 'openvpn',
    path: { socket: 0, local: { address: '192.0.2.1', port: 1194 }, remote: { address: '198.51.100.7', port } },
    stats: { packetsIn: 0, bytesIn: id, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 },
    facts: {},
    dropped: {},
  };
}

const over: CloseReason = { cause: 'peer', detail: 'done' };

test('a link is carried by its thread, and the others hand over to it until it is over', async () => {
  await using bed = await open();
  assert.equal(bed.threads.deviceName, 'fake0');
  assert.deepEqual(bed.listener.endpoints, [{ address: '192.0.2.1', port: 1194 }]);
  const link = await bed.connect(1, 1, 'user-10.88.0.2');
  await eventually('both are told', () => bed.heard(1, 'carry').length === 1 && bed.heard(0, 'elsewhere').length === 1);
  const [elsewhere] = bed.heard(0, 'elsewhere');
  assert.deepEqual([elsewhere?.link.id, elsewhere?.link.thread, elsewhere?.link.user], [link.id, 1, 'user-10.88.0.2']);
  assert.equal(elsewhere?.link.config.idleTimeout, undefined, 'its own thread ends it');
  bed.say(1, {
    kind: 'release',
    claim: 1,
    why: over,
    last: { ...stateOf(link.id, 1), stats: { ...link.stats, bytesIn: 99 } },
  });
  assert.deepEqual(await inTime('the end', link.closed), over);
  assert.equal(link.stats.bytesIn, 99);
  await eventually('the other is told', () => bed.heard(0, 'gone').length === 1);
  assert.deepEqual(bed.released, [['user-10.88.0.2', over]]);
  assert.deepEqual([bed.heard(1, 'elsewhere'), bed.heard(0, 'carry'), bed.heard(1, 'gone')], [[], [], []]);
});

test('an address that a link of another thread has is refused, and nobody carries it', async () => {
  await using bed = await open();
  await bed.connect(0, 1, 'user-10.88.0.2');
  await assert.rejects(bed.connect(1, 2, 'user-10.88.0.2'), CoreError);
  const third = await bed.connect(1, 3, 'user-10.88.0.3');
  await eventually('the third is carried', () => bed.heard(1, 'carry').some((order) => order.link === third.id));
  assert.equal(bed.heard(1, 'carry').length, 1);
});

test('who starts again from the same address and port replaces the former, on whichever thread that is', async () => {
  await using bed = await open();
  const first = await bed.connect(0, 1, 'user-10.88.0.2', 5_000);
  await bed.connect(1, 2, 'user-10.88.0.3', 5_000);
  await eventually('the former is told to end', () => bed.heard(0, 'close').length === 1);
  assert.deepEqual([bed.heard(0, 'close')[0]?.link, bed.heard(0, 'close')[0]?.why.cause], [first.id, 'replaced']);
  const path = (port: number) => stateOf(0, port).path;
  bed.say(1, { kind: 'event', event: { kind: 'roamed', id: 5, from: path(5_000), to: path(6_000) } });
  await eventually('the move', () => bed.events.length === 1);
  await bed.connect(0, 4, 'user-10.88.0.4', 5_000);
  await bed.connect(0, 5, 'user-10.88.0.5', 6_000);
  await eventually('who moved is replaced at the new place', () => bed.heard(1, 'close').length === 1);
});

test('a refusal and a claim that nobody waits for any longer are answered, and what was admitted is released by the thread', async () => {
  await using bed = await open();
  bed.claim(0, 1, 'mallory');
  await eventually('the refusal', () => bed.heard(0, 'answer')[0]?.answer.kind === 'refused');
  const go = bed.hold();
  bed.claim(0, 2, 'user-10.88.0.2');
  await eventually('the question', () => bed.signals.length === 2);
  bed.say(0, { kind: 'abort', claim: 2 });
  await eventually('the abort', () => bed.signals[1]?.aborted === true);
  go();
  await eventually('the answer', () => bed.heard(0, 'answer').length === 2);
  const why: CloseReason = { cause: 'lost', detail: 'the peer was gone' };
  bed.say(0, { kind: 'release', claim: 2, why, last: undefined });
  bed.say(0, { kind: 'release', claim: 2, why, last: undefined });
  bed.claim(0, 3, 'mallory');
  await eventually('all is heard', () => bed.heard(0, 'answer').length === 3);
  assert.deepEqual(bed.released, [['user-10.88.0.2', why]], 'once');
});

test('a thread that dies takes its sessions with it, each released once, and tells the gateway', async () => {
  await using bed = await open();
  const here = await bed.connect(0, 1, 'user-10.88.0.2');
  await bed.connect(1, 1, 'user-10.88.0.3');
  const go = bed.hold();
  bed.claim(0, 2, 'user-10.88.0.4');
  await eventually('the question', () => bed.signals.length === 3);
  bed.die(0);
  const why = await inTime('the end', here.closed, 5_000);
  assert.equal(why.cause, 'error');
  assert.equal(bed.signals[2]?.aborted, true);
  go();
  await eventually('what was admitted too late is released as well', () => bed.released.length === 2);
  assert.deepEqual(
    bed.gone.map((error) => error.message),
    ['a packet thread ended: thread 0: it was told to'],
  );
  await eventually('the other thread hears of it', () => bed.heard(1, 'gone').length === 1);
  const closed = bed.listener.close(over);
  await eventually('the other is stopped', () => bed.heard(1, 'stop').length === 1);
  bed.say(1, { kind: 'release', claim: 1, why: over, last: undefined });
  bed.say(1, { kind: 'stopped' });
  await inTime('the listener closes', closed);
  assert.equal(bed.released.length, 3);
});

test('counters are those of all threads together, and a thread that is no more has none', async () => {
  await using bed = await open();
  const link = await bed.connect(0, 1, 'user-10.88.0.2');
  const counts = (n: number) => ({ listener: { peers: n }, dropped: { noRoute: n }, device: {}, links: [] });
  let refreshed = bed.threads.refresh();
  await eventually('both are asked', () => bed.heard(0, 'count').length === 1 && bed.heard(1, 'count').length === 1);
  const state = { ...stateOf(link.id, 1), dropped: { filtered: 7 } };
  bed.say(0, { kind: 'counts', counts: { ...counts(3), links: [state] } });
  bed.say(1, { kind: 'counts', counts: counts(4) });
  await refreshed;
  assert.deepEqual([bed.listener.stats, bed.threads.dropped], [{ peers: 7 }, { noRoute: 7 }]);
  assert.deepEqual(bed.threads.droppedOf(link), { filtered: 7 });
  bed.die(1);
  await eventually('the end', () => bed.gone.length === 1);
  refreshed = bed.threads.refresh();
  await eventually('it is asked', () => bed.heard(0, 'count').length === 2);
  bed.say(0, { kind: 'counts', counts: counts(3) });
  await refreshed;
  assert.deepEqual(bed.listener.stats, { peers: 3 });
});

test('a thread that cannot open is told with its own error, and leaves no thread behind', async () => {
  const opening = PacketThreads.open({
    config: twoThreads,
    openvpn: { listen: [], wrap: { kind: 'none' } },
    tls: { config: configOf(), files: {} },
    tunFd: undefined,
    clock,
    log: nullLogger,
    onWarning: () => {},
    onGone: () => {},
    body: new URL(`data:text/javascript,${encodeURIComponent(failing)}`),
  });
  await assert.rejects(opening, { message: 'no', code: 'CULVERT_TUN_PERMISSION', exitCode: 4 });
});
