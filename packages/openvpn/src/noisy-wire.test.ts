/** Client and server over a wire that loses a third, repeats, reorders and corrupts, in virtual time: the session comes up, carries, rekeys and ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloseReason } from '@culvert/base';
import { LossyLink, seededRandom, VirtualClock, type WireOptions } from '@culvert/testkit';
import { type ClientEnd, createClient, innerPacket, matchingWraps, ServerEnd } from '../test/ends.ts';
import type { SessionEvent } from './index.ts';

const SEEDS = [1, 2, 3, 5, 8];
const noise: WireOptions = { latency: 40, jitter: 60, drop: 0.3, duplicate: 0.1, reorder: 0.2, corrupt: 0.05 };
/** The default: a handshake that takes longer has failed. */
const HANDSHAKE_WINDOW = 60_000;
const PACKETS = 200;

class NoisySession {
  readonly client: ClientEnd;
  readonly server: ServerEnd;
  readonly link: LossyLink<SessionEvent>;

  constructor(kind: 'none' | 'tls-crypt' | 'tls-crypt-v2', seed: number, wire: WireOptions = noise) {
    const clock = new VirtualClock();
    const random = seededRandom(seed);
    const wraps = matchingWraps(kind);
    const session = { renegotiateAfter: 0, replayWindow: 256 };
    this.server = new ServerEnd({ clock, random, wrap: wraps.server, session });
    this.client = createClient({ clock, random, wrap: wraps.client, session });
    this.link = new LossyLink<SessionEvent>(this.client, this.server, { clock, ...wire, seed });
  }

  count(side: 0 | 1, kind: SessionEvent['kind']): number {
    return this.link.events[side].filter((event) => event.kind === kind).length;
  }

  both(kind: SessionEvent['kind'], times = 1): () => boolean {
    return () => this.count(0, kind) >= times && this.count(1, kind) >= times;
  }

  up(): this {
    assert.ok(this.link.until(this.both('up'), HANDSHAKE_WINDOW), 'the session comes up');
    return this;
  }

  /** Milliseconds until both ends are up. */
  upTime(): number {
    const start = this.link.now;
    return this.up().link.now - start;
  }

  reason(side: 0 | 1): CloseReason | undefined {
    return this.link.events[side].find((event) => event.kind === 'closed')?.reason;
  }

  /** Sends packets both ways, one each 50 ms; what arrived of them since. */
  carry(packets: number): { readonly toServer: number; readonly toClient: number } {
    const before = [this.server.received.length, this.client.received.length] as const;
    for (let n = 0; n < packets; n++) {
      this.client.send(innerPacket(n), this.link.now);
      this.server.send(innerPacket(n), this.link.now);
      this.link.advance(50);
    }
    this.link.advance(1_000);
    return {
      toServer: this.server.received.length - before[0],
      toClient: this.client.received.length - before[1],
    };
  }
}

for (const seed of SEEDS) {
  for (const kind of ['none', 'tls-crypt', 'tls-crypt-v2'] as const) {
    test(`a session comes up, carries, rekeys and ends over a bad wire (${kind}, seed ${seed})`, () => {
      const noisy = new NoisySession(kind, seed, kind === 'none' ? { ...noise, corrupt: 0 } : noise).up();
      const { link, client, server } = noisy;
      assertGoodput(noisy.carry(PACKETS), 'after the handshake');

      (seed % 2 === 0 ? client : server.session)?.renegotiate(link.now);
      assert.ok(link.until(noisy.both('rekeyed'), HANDSHAKE_WINDOW), 'the new key is there');
      assertGoodput(noisy.carry(PACKETS), 'after the rekey');
      assertWhole(client.received);
      assertWhole(server.received);

      client.close({ cause: 'operator', detail: 'done' }, link.now);
      assert.ok(link.until(noisy.both('closed'), 120_000), 'both ends are over');
      assert.equal(noisy.reason(0)?.cause, 'operator');
      // The goodbye may be lost three times over: then silence tells.
      assert.match(noisy.reason(1)?.cause ?? '', /^(peer|lost)$/);

      assert.ok(link.stats.dropped > link.stats.sent / 5, 'the wire was bad enough to matter');
      assert.ok(client.stats.retransmits > 3, 'the client sent again');
      assert.ok(client.stats.duplicates + (server.session?.stats.duplicates ?? 0) > 0, 'packets came twice');
      if (kind === 'none') return;
      assert.ok(client.stats.unauthenticated + client.stats.dataUnauthenticated > 0, 'packets came corrupted');
    });
  }
}

test('most goodbyes arrive over a bad wire', () => {
  const causes = Array.from({ length: 20 }, (_, n) => {
    const noisy = new NoisySession('tls-crypt', 100 + n).up();
    noisy.client.close({ cause: 'operator', detail: 'done' }, noisy.link.now);
    assert.ok(noisy.link.until(noisy.both('closed'), 120_000));
    return noisy.reason(1)?.cause;
  });
  const heard = causes.filter((cause) => cause === 'peer').length;
  assert.ok(heard >= 16, `${heard} of 20 goodbyes were heard`);
});

/** How long half of the handshakes take at most, by what the wire loses: measured, and rounded up. */
const handshakes = [
  { drop: 0, within: 1_500 },
  { drop: 0.1, within: 2_500 },
  { drop: 0.2, within: 5_000 },
  { drop: 0.3, within: 8_000 },
];

for (const { drop, within } of handshakes) {
  test(`half of the handshakes take at most ${within / 1_000} s where ${drop * 100} % is lost`, () => {
    const times = Array.from({ length: 11 }, (_, n) =>
      new NoisySession('tls-crypt-v2', n + 1, { ...noise, drop }).upTime(),
    );
    const median = times.sort((a, b) => a - b)[5] ?? 0;
    assert.ok(median <= within, `the median is ${median} ms`);
  });
}

/** Of a wire that loses 30 and corrupts 5 of 100, about two thirds arrive. */
function assertGoodput(arrived: { readonly toServer: number; readonly toClient: number }, when: string): void {
  for (const [way, count] of Object.entries(arrived)) {
    assert.ok(count > PACKETS * 0.5 && count < PACKETS * 0.85, `${when}: ${count} of ${PACKETS} arrived ${way}`);
  }
}

/** Every packet that came is one that was sent, and in each round of sending it came once. */
function assertWhole(received: readonly Uint8Array[]): void {
  const seen = new Map<number, number>();
  for (const packet of received) {
    const n = new DataView(packet.buffer, packet.byteOffset).getUint32(16);
    assert.deepEqual(packet, innerPacket(n));
    seen.set(n, (seen.get(n) ?? 0) + 1);
  }
  assert.ok(Math.max(...seen.values()) <= 2, 'twice sent, at most twice received');
}
