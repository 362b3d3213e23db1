/** Encrypted frames that come before our PPP is up: the peer's may be so for seconds. In a time that is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type Instant } from '@culvert/base';
import { createMppeKey, type MppeKey } from '@culvert/cipher';
import { createDatagramBatch } from '@culvert/netio';
import type { PppTerms } from '@culvert/ppp';
import { GRE_HEADER_BYTES, GreTunnel } from '@culvert/pptp';
import { batchOf, ipv4Packet } from '@culvert/testkit';
import { RawIpOutbox } from '../raw-ip-port.ts';
import { DataPath } from './data-path.ts';
import { MOST_LOST, MppePlace } from './mppe-place.ts';

const startKey = new Uint8Array(16).fill(7);
const terms: PppTerms = {
  identity: 'alice',
  method: 'mschapv2',
  ipv4: undefined,
  ipv6: undefined,
  mtu: 1_396,
  addressCompression: true,
  protocolCompression: true,
  asyncMap: 0,
  mppe: { send: undefined, receive: undefined },
};

/** A peer that sends, and our data path. */
class Early {
  got = 0;
  lostPlace = false;
  questions = 0;
  readonly data: DataPath;
  readonly #stateless: boolean;
  readonly #key: MppeKey;
  readonly #tunnel = new GreTunnel({ peerCallId: 2, peerWindow: 64, onFrames: () => {} });
  #now = 1_000 as Instant;

  constructor(stateless = true) {
    this.#stateless = stateless;
    const framing = { acfc: true, pfc: true, headroom: GRE_HEADER_BYTES };
    this.#key = createMppeKey({ strength: 128, startKey, framing, stateful: !stateless });
    const port = { commit: () => {}, makeRoom: () => true };
    this.data = new DataPath({
      peerCallId: 1,
      peerWindow: 64,
      settings: {},
      inner: createPacketBatch(64, 100_000),
      outbox: new RawIpOutbox(createDatagramBatch(4, 10_000), new Uint32Array(0), port),
      onControlFrame: () => {},
      onLostPlace: () => {
        this.lostPlace = true;
      },
      onRouterMessage: () => {},
      onPackets: (batch) => {
        this.got += batch.count;
      },
    });
  }

  /** @param isLost on the way */
  send(count: number, isLost: (n: number) => boolean = () => false): void {
    const batch = createPacketBatch(4, 4_000);
    for (let n = 0; n < count; n++) {
      batch.count = 0;
      batch.used = 0;
      this.#key.seal(batchOf([ipv4Packet(100, 1)]), 0, batch);
      this.#tunnel.wrap(batch, 0, this.#now);
      if (isLost(n)) continue;
      this.pass(1);
      this.data.handleBatch(batch, 0, batch.count, this.#now);
      if (!this.data.takeWaits()) continue;
      this.questions++;
      this.#key.flush();
    }
  }

  /** A frame under the peer's next number, with a count that is nobody's. */
  forge(count: number): void {
    const batch = createPacketBatch(4, 4_000);
    const frame = Uint8Array.of(0xfd, 0x90 | (count >>> 8), count, 1, 2, 3, 4, 5, 6, 7, 8);
    batch.arena.set(frame, GRE_HEADER_BYTES);
    batch.offsets[0] = 0;
    batch.lengths[0] = GRE_HEADER_BYTES + frame.length;
    batch.count = 1;
    this.#tunnel.wrap(batch, 0, this.#now);
    this.data.handleBatch(batch, 0, 1, this.#now);
  }

  secure(): void {
    const direction = { strength: 128, stateless: this.#stateless, startKey } as const;
    this.data.secure(terms, direction, direction);
  }

  /** What was lost is waited for no longer. */
  pass(time: number): void {
    this.#now = (this.#now + time) as Instant;
    this.data.handleTimeout(this.#now);
  }
}

for (const early of [1, 2_000, 3_000, 10_000]) {
  test(`${early} frames before there is a key, and all that come after it are read`, () => {
    const call = new Early();
    call.send(early);
    call.secure();
    call.send(200);
    assert.deepEqual([call.got, call.lostPlace], [200, false]);
    assert.equal(call.data.stats.droppedIn, early);
  });
}

test('of early frames one in ten may be lost, and thousands in a row', () => {
  const call = new Early();
  call.send(3_000, (n) => n % 10 === 3);
  call.send(12_000, (n) => n < 11_000);
  call.pass(100);
  call.send(10);
  call.secure();
  call.send(200);
  assert.deepEqual([call.got, call.lostPlace], [200, false]);
});

test('forged frames among early ones move no key', () => {
  const call = new Early();
  for (let n = 0; n < 30; n++) {
    call.send(100);
    call.forge(4_000 - n * 77);
  }
  call.secure();
  call.send(200);
  assert.deepEqual([call.got, call.lostPlace], [200, false]);
});

test('with state the first frame that can be read is one that was asked for', () => {
  const call = new Early(false);
  call.send(3_000);
  call.secure();
  call.send(200);
  assert.deepEqual([call.got, call.questions, call.lostPlace], [199, 1, false]);
});

test('more of them than a link may spend key changes on are more than it has', () => {
  const place = new MppePlace();
  place.lostSince(MOST_LOST);
  place.pass(MOST_LOST % 4_096);
  assert.equal(place.passed, MOST_LOST + 1);
  assert.ok(!place.spend(place.passed, 0 as Instant));
});
