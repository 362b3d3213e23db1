/** CHAP with peers that are slow to answer, as real ones answer: a proof is expected for what was answered last. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, Millis } from '@culvert/base';
import { LossyLink, seededRandom } from '@culvert/testkit';
import { AuthEnd, admission, PASSWORD } from '../../test/auth-ends.ts';
import { decodeControlPacket } from '../packet.ts';
import { PppProtocol } from '../protocol.ts';
import { ChapClient } from './chap-client.ts';
import { ChapCode } from './chap-packet.ts';
import { ChapServer } from './chap-server.ts';
import type { AuthEvent, AuthMachine } from './machine.ts';

const algorithms = ['md5', 'mschapv2'] as const;
type Algorithm = (typeof algorithms)[number];

/** How a peer goes about its challenges, each of which takes it `pace`. */
interface Ways {
  readonly algorithm: Algorithm;
  readonly pace: Millis;
  /** One after the other, and what comes meanwhile waits or is lost. @default all at once, as the delay of a wire */
  readonly busy?: 'waits' | 'loses';
}

/**
 * pppd's kin: it answers each challenge once and repeats nothing. The first Success or Failure counts, whatever its identifier, and a proof
 * has to be that of the last response.
 */
class Peer implements AuthMachine {
  readonly protocol = PppProtocol.chap;
  readonly #ways: Ways;
  readonly #queue: { readonly at: Instant; readonly challenge: Uint8Array }[] = [];
  readonly #answers: Uint8Array[] = [];
  #last: ChapClient | undefined;
  #answered = 0;
  #event: AuthEvent | undefined;
  #isOver = false;

  constructor(ways: Ways) {
    this.#ways = ways;
  }
  start(): void {}
  handlePacket(bytes: Uint8Array, now: Instant): void {
    const packet = decodeControlPacket(bytes);
    if (packet?.code === ChapCode.challenge) this.#take(bytes.slice(), now);
    else if (packet !== undefined && !this.#isOver) this.#judge(bytes, now);
  }
  handleTimeout(now: Instant): void {
    const due = this.#queue.filter(({ at }) => at <= now);
    this.#queue.splice(0, due.length);
    for (const { challenge } of due) {
      this.#last = new ChapClient({
        algorithm: this.#ways.algorithm,
        username: 'alice',
        password: PASSWORD,
        random: seededRandom(challenge[1] ?? 0),
      });
      this.#last.handlePacket(challenge, now);
      const response = this.#last.pollTransmit();
      assert.ok(response?.[1] !== undefined);
      this.#answered = response[1];
      this.#answers.push(response);
    }
  }
  dispose(): void {}
  pollTransmit(): Uint8Array | undefined {
    return this.#answers.shift();
  }
  pollEvent(): AuthEvent | undefined {
    const event = this.#event;
    this.#event = undefined;
    return event;
  }
  pollTimeout(): Instant | undefined {
    return this.#queue[0]?.at;
  }

  #take(challenge: Uint8Array, now: Instant): void {
    const { pace, busy } = this.#ways;
    const before = this.#queue.at(-1)?.at;
    if (busy === 'loses' && before !== undefined) return;
    const from = busy === undefined ? now : (before ?? now);
    this.#queue.push({ at: (from + pace) as Instant, challenge });
  }

  #judge(status: Uint8Array, now: Instant): void {
    this.#isOver = true;
    const renumbered = status.slice();
    renumbered[1] = this.#answered;
    this.#last?.handlePacket(renumbered, now);
    this.#event = this.#last?.pollEvent();
  }
}

/** An end some of whose packets are lost, by their number. */
class LosingEnd extends AuthEnd {
  isLost: (n: number) => boolean = () => false;
  override pollTransmit() {
    for (;;) {
      const transmit = super.pollTransmit();
      if (transmit === undefined || !this.isLost(this.sent.length - 1)) return transmit;
    }
  }
}

function ends(ways: Ways) {
  const peer = new LosingEnd(0, new Peer(ways));
  const server = new LosingEnd(
    1,
    new ChapServer({ algorithm: ways.algorithm, name: 'gateway', random: seededRandom(2) }),
    admission,
  );
  return { peer, server };
}

/** What comes of it, until a minute has passed: what each says last, how many claims there were, and when the peer was content. */
function run({ peer, server }: ReturnType<typeof ends>) {
  const link = new LossyLink<AuthEvent>(peer, server, { latency: 10 });
  const begin = link.now;
  server.machine.start(begin);
  link.until(() => link.events[0].length > 0, 60_000);
  const at = link.now - begin;
  return { at, claims: server.claims.length, said: link.events.map((events) => events.at(-1)?.kind) };
}
const good = ['succeeded', 'succeeded'];

for (const algorithm of algorithms) {
  for (let seconds = 1; seconds <= 20; seconds++) {
    test(`${algorithm}: a peer whose answers take ${seconds} s gets in, by one claim`, () => {
      const { at, claims, said } = run(ends({ algorithm, pace: seconds * 1_000 }));
      assert.deepEqual([claims, said], [1, good]);
      assert.ok(at < 2 * seconds * 1_000 + 100, `after ${at} ms`);
    });
  }

  for (const seconds of [2, 4, 8]) {
    test(`${algorithm}: so does one that answers one challenge after the other, each in ${seconds} s`, () => {
      assert.deepEqual(run(ends({ algorithm, pace: seconds * 1_000, busy: 'waits' })).said, good);
    });
    test(`${algorithm}: so does one that loses challenges while it answers one, each in ${seconds} s`, () => {
      assert.deepEqual(run(ends({ algorithm, pace: seconds * 1_000, busy: 'loses' })).said, good);
    });
  }

  for (const pace of [0, 4_000]) {
    test(`${algorithm}: any one packet may be lost, and any two one after the other, answers taking ${pace / 1000} s`, () => {
      for (let n = 0; n < 6; n++) {
        for (const many of [1, 2]) {
          for (const side of ['peer', 'server'] as const) {
            const both = ends({ algorithm, pace });
            both[side].isLost = (one) => one >= n && one < n + many;
            assert.deepEqual(run(both).said, good, `packets ${n} to ${n + many - 1} of the ${side}`);
          }
        }
      }
    });
  }

  test(`${algorithm}: a peer that stood still has its challenges at once, and is judged by its answer to the last`, () => {
    const { peer, server } = ends({ algorithm, pace: 0 });
    const link = new LossyLink<AuthEvent>(peer, server, { latency: 10 });
    link.cut = true;
    const kept: Uint8Array[] = [];
    server.machine.start(link.now);
    link.until(() => server.sent.length === 4, 60_000);
    kept.push(...server.sent);
    link.cut = false;
    for (const challenge of kept) peer.machine.handlePacket(challenge, link.now);
    link.until(() => link.events[0].length > 0, 1_000);
    assert.deepEqual(
      link.events.map((events) => events.at(-1)?.kind),
      good,
    );
    assert.equal(server.claims.length, 1);
  });

  test(`${algorithm}: answers that are late again and again hold nobody for ever`, () => {
    const server = new ChapServer({ algorithm, name: 'gateway', random: seededRandom(2) });
    server.start(0 as Instant);
    const first = server.pollTransmit() as Uint8Array;
    const late = Uint8Array.of(ChapCode.response, first[1] ?? 0, 0, 4);
    let [now, sent] = [0, 1];
    for (; server.pollTimeout() !== undefined && now < 3_600_000; now += 500) {
      if (now > 1_000) server.handlePacket(late, now as Instant);
      server.handleTimeout(now as Instant);
      while (server.pollTransmit() !== undefined) sent++;
    }
    assert.ok(now < 600_000, `${now} ms, ${sent} challenges`);
  });
}
