/** MPPE with state, for peers that have nothing else: over real sockets, where packets are lost. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet } from '@culvert/testkit';
import { gateway, type Heard, laptop, PptpLab } from '../../test/pptp-lab.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

const PACKET = 64;
const numbersIn = (packets: readonly Uint8Array[]) =>
  packets.map((packet) => Buffer.from(packet).readUInt32BE(PACKET - 4));

/** One direction of a link, in which packets are numbered. */
class Direction {
  #next = 0;
  readonly #from: Heard;
  readonly #to: Heard;

  constructor(from: Heard, to: Heard) {
    this.#from = from;
    this.#to = to;
  }

  send(count: number): void {
    this.#from.link.send(batchOf(Array.from({ length: count }, () => ipv4Packet(PACKET, this.#next++))));
  }

  /** Sends until one gets through that was sent from now on. */
  async getsThrough(): Promise<void> {
    const first = this.#next;
    await eventually('a packet gets through', () => {
      this.send(1);
      return (numbersIn(this.#to.packets).at(-1) ?? -1) >= first;
    });
  }

  async allGetThrough(count: number): Promise<void> {
    const first = this.#next;
    this.send(count);
    const came = () => numbersIn(this.#to.packets).filter((n) => n >= first);
    await eventually(`${count} packets get through`, () => came().length === count);
  }

  /** In order and once, and how many did not come. */
  missing(): number {
    const numbers = numbersIn(this.#to.packets);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
    return this.#next - numbers.length;
  }
}

async function openStateful(lab: PptpLab): Promise<readonly [Direction, Direction]> {
  const client = await lab.dial({ stateful: 'preferred' });
  const server = lab.accepted.at(-1);
  assert.ok(server !== undefined);
  for (const { link } of [client, server]) assert.equal(link.facts['encryption'], 'MPPE-128 stateful');
  return [new Direction(client, server), new Direction(server, client)];
}

test('with state everything arrives, through many changes of the key', { skip }, async () => {
  await using lab = await PptpLab.open({ stateful: true });
  for (const direction of await openStateful(lab)) {
    for (let n = 0; n < 60; n++) await direction.allGetThrough(100);
    assert.equal(direction.missing(), 0);
  }
});

test('what is lost is followed by a question and a flushed packet, each time again', { skip }, async () => {
  await using lab = await PptpLab.open({ stateful: true });
  for (const [direction, to] of [
    [(await openStateful(lab))[0], gateway],
    [(await openStateful(lab))[1], laptop],
  ] as const) {
    const rule = `ip protocol 47 ip daddr ${to} numgen random mod 10 0 drop`;
    execFileSync('nft', [`table ip lossy { chain in { type filter hook input priority 0; ${rule}; }; }`]);
    try {
      for (let n = 0; n < 6; n++) {
        direction.send(40);
        await direction.getsThrough();
      }
    } finally {
      execFileSync('nft', ['delete table ip lossy']);
    }
    assert.ok(direction.missing() > 0, 'the wire was bad enough to matter');
    await direction.getsThrough();
    await direction.allGetThrough(300);
  }
});

test('a gap that is longer than the counts are is caught up with, too', { skip }, async () => {
  await using lab = await PptpLab.open({ stateful: true });
  const [direction] = await openStateful(lab);
  await direction.allGetThrough(10);
  const rule = `ip protocol 47 ip daddr ${gateway} drop`;
  execFileSync('nft', [`table ip lossy { chain in { type filter hook input priority 0; ${rule}; }; }`]);
  try {
    for (let n = 0; n < 90; n++) {
      direction.send(100);
      await new Promise(setImmediate);
    }
  } finally {
    execFileSync('nft', ['delete table ip lossy']);
  }
  await direction.getsThrough();
  await direction.allGetThrough(300);
});

test('who does not allow it comes up without, also with a peer that would rather have it', { skip }, async () => {
  await using lab = await PptpLab.open();
  assert.equal((await lab.dial({ stateful: 'preferred' })).link.facts['encryption'], 'MPPE-128');
  await using lax = await PptpLab.open({ stateful: true });
  assert.equal((await lax.dial({ stateful: true })).link.facts['encryption'], 'MPPE-128', 'nor who only allows it');
});
