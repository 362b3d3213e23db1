/**
 * L2TP/IPsec over real sockets and two wires that drop, double, reorder and corrupt: IKE, ESP, L2TP and PPP together, in real time.
 *
 *     client ──► noisy relay of UDP 500  ──► server
 *            ──► noisy relay of UDP 4500 ──►            all on the loopback interface
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { batchOf, enterFreshNamespace, eventually, inTime, ipv4Packet } from '@culvert/testkit';
import { L2tpLab } from '../../packages/transport/test/l2tp-lab.ts';
import { gateway, type Heard } from '../../packages/transport/test/pptp-lab.ts';

const wire = { seed: 7, latency: 5, jitter: 20, drop: 0.2, duplicate: 0.1, reorder: 0.1, corrupt: 0.05 };
const goodbye = { cause: 'operator', detail: 'the test is over' } as const;
const PACKETS = 200;

const skip = enterFreshNamespace();
if (skip === false) execFileSync('ip', ['address', 'add', `${gateway}/32`, 'dev', 'lo']);

test('over a wire with 20 % loss a call comes up, carries, changes its keys and ends', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { relays, through } = await lab.wires(wire);
  const lifetimes = { phase2Bytes: 200_000 };
  const theirs = await inTime('the call comes up', lab.dial({ ...through, lifetimes }), 60_000);
  const ours = await eventually('the listener has the link', () => lab.accepted[0], 30_000);
  const ways = [new Way(theirs, ours), new Way(ours, theirs)];
  const send = () => {
    for (const way of ways) way.send();
  };
  for (let n = 0; n < PACKETS; n++) {
    send();
    await new Promise(setImmediate);
  }
  for (const way of ways) {
    // 76 % are to be expected: 20 % are lost, and of the rest 5 % arrive corrupted.
    await eventually('half of the packets arrive', () => way.arrived > PACKETS / 2);
    assert.ok(way.arrived < PACKETS, 'the wire was bad enough to matter');
  }
  await eventually(
    'new keys under traffic',
    () => {
      send();
      return lab.events.some(({ kind }) => kind === 'rekeyed');
    },
    60_000,
  );
  const before = ways.map(({ arrived }) => arrived);
  await eventually('packets under the new keys', () => {
    send();
    return ways.every(({ arrived }, n) => arrived > (before[n] ?? 0) + 20);
  });
  for (const way of ways) assert.equal(way.strange, 0, 'nothing corrupted or doubled came out');
  for (const { stats } of relays) assert.ok(stats.dropped > 0, 'both wires were bad');
  const [, esp] = relays;
  assert.ok(esp !== undefined && esp.stats.corrupted > 0 && esp.stats.duplicated > 0 && esp.stats.reordered > 0);
  await theirs.link.close(goodbye);
  await eventually('the other end knows', () => ours.link.closed.then(() => true), 60_000);
});

/** Packets through one link, each different, and what came out of the other. */
class Way {
  readonly #from: Heard;
  readonly #to: Heard;
  readonly #sent = new Set<string>();

  constructor(from: Heard, to: Heard) {
    this.#from = from;
    this.#to = to;
  }

  get arrived(): number {
    return this.#to.packets.length;
  }

  /** How many came out that did not go in, or twice. */
  get strange(): number {
    const all = new Set(this.#to.packets.map(textOf));
    return this.arrived - [...all].filter((text) => this.#sent.has(text)).length;
  }

  send(): void {
    const n = this.#sent.size;
    const packet = ipv4Packet(200 + (n % 1000), n);
    this.#sent.add(textOf(packet));
    this.#from.link.send(batchOf([packet]));
  }
}

function textOf(packet: Uint8Array): string {
  return Buffer.from(packet).toString('latin1');
}
