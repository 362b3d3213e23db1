import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, Machine, Path, Transmit } from '@culvert/base';
import { LossyLink, simulatedPath } from '@culvert/testkit';
import { readUint32 } from './bytes.ts';
import { decodeBody, encodeBody } from './control-packet.ts';
import { Opcode } from './opcode.ts';
import { ReliableReceiver } from './reliable-receiver.ts';
import { ReliableSender } from './reliable-sender.ts';

const peer = new Uint8Array(8).fill(1);

/** Both halves as one end of a link: sends numbered messages as the window allows, reports what arrives in order. */
class End implements Machine<number> {
  readonly sender = new ReliableSender(2_000);
  readonly receiver = new ReliableReceiver();
  readonly #path: Path;
  readonly #total: number;
  #queued = 0;
  #outbox: Transmit[] = [];
  #events: number[] = [];

  constructor(side: 0 | 1, total: number, now: Instant) {
    this.#path = simulatedPath(side);
    this.#total = total;
    this.#flush(now);
  }

  handleDatagram(datagram: Uint8Array, _path: Path, now: Instant): void {
    const opcode = datagram[0] ?? 0;
    const body = decodeBody(opcode, datagram.subarray(1));
    if (body === undefined) return;
    this.sender.acknowledge(body.acks, now);
    if (body.packetId !== undefined)
      this.receiver.accept(body.packetId, { opcode: Opcode.controlV1, payload: body.payload });
    for (let packet = this.receiver.poll(); packet !== undefined; packet = this.receiver.poll()) {
      this.#events.push(readUint32(packet.payload, 0));
    }
    this.#flush(now);
  }
  handleTimeout(now: Instant): void {
    this.#flush(now);
  }
  pollTransmit(): Transmit | undefined {
    return this.#outbox.shift();
  }
  pollEvent(): number | undefined {
    return this.#events.shift();
  }
  pollTimeout(): Instant | undefined {
    return this.sender.timeout;
  }

  #flush(now: Instant): void {
    for (; this.sender.room > 0 && this.#queued < this.#total; this.#queued++) {
      const payload = new Uint8Array(4);
      new DataView(payload.buffer).setUint32(0, this.#queued);
      this.sender.push(Opcode.controlV1, payload, now);
    }
    for (let packet = this.sender.poll(now); packet !== undefined; packet = this.sender.poll(now)) {
      this.#send(Opcode.controlV1, {
        acks: this.receiver.takeAcks(false),
        packetId: packet.id,
        payload: packet.payload,
      });
    }
    if (this.receiver.owes) {
      this.#send(Opcode.ackV1, { acks: this.receiver.takeAcks(true), packetId: undefined, payload: new Uint8Array(0) });
    }
  }

  #send(opcode: number, body: { acks: number[]; packetId: number | undefined; payload: Uint8Array }): void {
    const datagram = Uint8Array.of(opcode, ...encodeBody({ ...body, ackedSession: peer }));
    this.#outbox.push({ datagram, path: this.#path });
  }
}

const hundred = Array.from({ length: 100 }, (_, n) => n);

for (const seed of [1, 2, 3, 5, 8]) {
  test(`every message arrives once and in order over a bad link (seed ${seed})`, () => {
    const start = 1_000_000 as Instant;
    const [a, b] = [new End(0, 100, start), new End(1, 100, start)];
    const link = new LossyLink(a, b, { seed, latency: 40, jitter: 60, drop: 0.3, duplicate: 0.1, reorder: 0.1 });

    link.settle(600_000);

    assert.deepEqual(link.events[0], hundred);
    assert.deepEqual(link.events[1], hundred);
    assert.ok(a.sender.retransmits > 0, 'the link was bad enough to matter');
    assert.ok(b.receiver.duplicates > 0, 'duplicates arrived');
    assert.ok(a.sender.idle && b.sender.idle);
  });
}

const at = (millis: number) => millis as Instant;
const nothing = new Uint8Array(0);

test('the window is six packets from the oldest unacknowledged one', () => {
  const sender = new ReliableSender(2_000);
  for (let n = 0; n < 6; n++) sender.push(Opcode.controlV1, nothing, at(0));
  assert.equal(sender.room, 0);
  sender.acknowledge([3, 4, 5], at(1));
  assert.equal(sender.room, 0, 'packet 0 holds the window');
  sender.acknowledge([0], at(1));
  assert.equal(sender.room, 1);
});

test('a packet is sent again after 2 s, doubling up to 4 s', () => {
  const sender = new ReliableSender(2_000);
  sender.push(Opcode.controlV1, nothing, at(0));
  const sent: number[] = [];
  for (let now = 0; now <= 40_000; now += 500) if (sender.poll(at(now)) !== undefined) sent.push(now);
  assert.deepEqual(sent, [0, 2_000, 6_000, 10_000, 14_000, 18_000, 22_000, 26_000, 30_000, 34_000, 38_000]);
});

test('a measured round trip shortens the wait of packets that are under way', () => {
  const sender = new ReliableSender(2_000);
  for (let n = 0; n < 2; n++) sender.push(Opcode.controlV1, nothing, at(0));
  while (sender.poll(at(0)) !== undefined);
  assert.equal(sender.timeout, 2_000);

  sender.acknowledge([1], at(200));
  assert.equal(sender.timeout, 600, 'three round trips after it was sent');
  assert.equal(sender.poll(at(599)), undefined);
  assert.equal(sender.poll(at(600))?.id, 0);
  assert.equal(sender.timeout, 600 + 1_200);
});

test('three later acknowledgements send a packet again at once', () => {
  const sender = new ReliableSender(2_000);
  for (let n = 0; n < 4; n++) sender.push(Opcode.controlV1, nothing, at(0));
  while (sender.poll(at(0)) !== undefined);
  sender.acknowledge([1, 2], at(10));
  assert.equal(sender.poll(at(10)), undefined);
  sender.acknowledge([3], at(10));
  assert.equal(sender.poll(at(10))?.id, 0);
});

test('over a stream nothing is sent twice and no timer runs', () => {
  const sender = new ReliableSender(undefined);
  sender.push(Opcode.controlV1, nothing, at(0));
  assert.equal(sender.poll(at(0))?.id, 0);
  assert.equal(sender.timeout, undefined);
  assert.equal(sender.poll(at(1_000_000)), undefined);
});

test('a packet beyond the receive window is neither kept nor acknowledged', () => {
  const receiver = new ReliableReceiver();
  const packet = { opcode: Opcode.controlV1, payload: nothing };
  assert.equal(receiver.accept(12, packet), 'outside');
  assert.equal(receiver.owes, false);
  assert.equal(receiver.accept(11, packet), 'new');
  assert.deepEqual(receiver.takeAcks(true), [11]);
});

test('at most four acknowledgements ride on data, eight alone, and recent ones fill the room', () => {
  const receiver = new ReliableReceiver();
  for (let n = 0; n < 10; n++) receiver.accept(n, { opcode: Opcode.controlV1, payload: nothing });
  assert.deepEqual(receiver.takeAcks(false), [0, 1, 2, 3]);
  assert.deepEqual(receiver.takeAcks(true), [4, 5, 6, 7, 8, 9, 0, 1]);
  assert.equal(receiver.owes, false);
  assert.equal(receiver.takeAcks(false).length, 4);
});

test('what comes before its turn is kept as it was, though the bytes that brought it are used again', () => {
  const receiver = new ReliableReceiver();
  const lent = Uint8Array.of(1);
  receiver.accept(1, { opcode: Opcode.controlV1, payload: lent });
  lent[0] = 0;
  receiver.accept(0, { opcode: Opcode.controlV1, payload: lent });
  assert.deepEqual(receiver.poll()?.payload, Uint8Array.of(0));
  assert.deepEqual(receiver.poll()?.payload, Uint8Array.of(1));
});
