import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import fc from 'fast-check';
import { batchOf, packet, packetsOf } from '../../test/packets.ts';
import { createMppeKey, type MppeKey, MppeReport, type MppeStrength, mppeKeyLength } from '../index.ts';
import { Rc4 } from './portable-rc4.ts';
import { initialSessionKey, nextSessionKey } from './portable-session-key.ts';

const START = Buffer.from('8B7CDC149B993A1BA118CB153F56DCCB', 'hex');
const strengths: readonly MppeStrength[] = [128, 56, 40];
const framing = { acfc: false, pfc: false, headroom: 0 };
const HEAD = Buffer.from('ff0300fd', 'hex');
const FLUSHED = 0x8000;
const ENCRYPTED = 0x1000;

/** How a peer begins RC4 anew for a flushed packet that is no flag packet: the RFC under the key at hand, Linux under the next one. */
type Manner = 'rfc' | 'linux';

/** A peer as its source has it (FreeBSD's ng_mppc.c follows the RFC; Linux' ppp_mppe.c). */
class Peer {
  readonly #strength: MppeStrength;
  readonly #manner: Manner;
  #key: Uint8Array;
  #rc4: Rc4;
  count = 4095;
  discards = false;
  flushes: boolean;

  /** @param flushes it marks its first packet as flushed, as the RFC has it; Linux does not */
  constructor(strength: MppeStrength, manner: Manner, flushes = false) {
    this.#strength = strength;
    this.#manner = manner;
    this.#key = initialSessionKey(this.#start, strength);
    this.#rc4 = new Rc4(this.#key);
    this.flushes = flushes;
  }

  get #start(): Uint8Array {
    return START.subarray(0, mppeKeyLength(this.#strength));
  }

  frame(inner: Uint8Array): Buffer {
    this.count = (this.count + 1) & 0xfff;
    const isFlag = (this.count & 0xff) === 0xff;
    const flushed = isFlag || this.flushes;
    this.flushes = false;
    if (flushed) this.#begin(isFlag);
    const plain = Buffer.concat([Buffer.from('0021', 'hex'), inner]);
    this.#rc4.crypt(plain);
    const header = Buffer.alloc(2);
    header.writeUInt16BE((flushed ? FLUSHED : 0) | ENCRYPTED | this.count);
    return Buffer.concat([HEAD, header, plain]);
  }

  /** Undefined: it asks for a flushed packet. */
  open(frame: Uint8Array): Buffer | undefined {
    const header = Buffer.from(frame).readUInt16BE(HEAD.length);
    const flushed = (header & FLUSHED) !== 0;
    const count = header & 0xfff;
    if (this.#manner === 'linux') {
      if (!this.discards) {
        this.count = (this.count + 1) & 0xfff;
        this.discards = this.count !== count;
        if (this.discards) return undefined;
      } else {
        if (!flushed) return undefined;
        for (; (this.count & 0xf00) !== (count & 0xf00); this.count = (this.count + 0x100) & 0xfff) this.#begin(true);
        this.discards = false;
        this.count = count;
      }
      if (flushed) this.#begin(true);
    } else {
      if (((this.count + 1) & 0xfff) !== count && !flushed) return undefined;
      for (this.count = (this.count + 1) & 0xfff; this.count !== count; this.count = (this.count + 1) & 0xfff) {
        if ((this.count & 0xff) === 0xff) this.#begin(true);
      }
      if (flushed) this.#begin((count & 0xff) === 0xff);
    }
    const plain = Buffer.from(frame.subarray(HEAD.length + 2));
    this.#rc4.crypt(plain);
    return plain.subarray(2);
  }

  #begin(isFlag: boolean): void {
    if (isFlag || this.#manner === 'linux') this.#key = nextSessionKey(this.#start, this.#key, this.#strength);
    this.#rc4 = new Rc4(this.#key);
  }
}

function create(strength: MppeStrength = 128): MppeKey {
  const startKey = START.subarray(0, mppeKeyLength(strength));
  return createMppeKey({ strength, startKey, framing, stateful: true });
}

function open(key: MppeKey, frames: readonly Uint8Array[]) {
  const dst = createPacketBatch(1024, 2_000_000);
  const report = new Uint32Array(MppeReport.words).fill(99);
  key.openTrain(batchOf(frames), 0, frames.length, dst, report);
  const of = (name: 'accepted' | 'late' | 'garbled' | 'missing' | 'waiting' | 'unencrypted') =>
    report[MppeReport[name]];
  return { packets: packetsOf(dst), of };
}

function seal(key: MppeKey, packets: readonly Uint8Array[]): Buffer[] {
  const dst = createPacketBatch(1024, 2_000_000);
  key.seal(batchOf(packets), 0, dst);
  return packetsOf(dst);
}

const numbered = (n: number): Buffer => packet({ id: n, seq: n, payload: Buffer.alloc(40, n) });
const stream = (count: number): Buffer[] => Array.from({ length: count }, (_, n) => numbered(n));

for (const manner of ['rfc', 'linux'] as const) {
  for (const strength of strengths) {
    test(`${manner}, ${strength} bits: one run of RC4 over 256 packets, a new key for the flag packet, round all counts`, () => {
      const packets = stream(4_200);
      const [ours, theirs] = [create(strength), new Peer(strength, manner)];
      const sealed = Array.from({ length: 5 }, (_, n) =>
        seal(ours, packets.slice(n * 1_000, n * 1_000 + 1_000)),
      ).flat();
      assert.deepEqual(
        sealed.map((frame) => theirs.open(frame)),
        packets,
      );
      const [receiver, sender] = [create(strength), new Peer(strength, manner)];
      const opened = Array.from({ length: 5 }, (_, n) =>
        open(
          receiver,
          packets.slice(n * 1_000, n * 1_000 + 1_000).map((one) => sender.frame(one)),
        ),
      );
      assert.deepEqual(
        opened.flatMap((one) => one.packets),
        packets,
      );
    });
  }

  test(`${manner}: what follows a lost packet waits until the peer was asked for a flushed one`, () => {
    const [key, peer] = [create(), new Peer(128, manner)];
    const frames = stream(10).map((one) => peer.frame(one));
    const opened = open(key, [...frames.slice(0, 3), ...frames.slice(5)]);
    assert.deepEqual([opened.of('accepted'), opened.of('waiting')], [3, 5]);
    peer.flushes = true;
    const after = open(key, [peer.frame(numbered(10)), peer.frame(numbered(11))]);
    assert.deepEqual([after.of('accepted'), after.of('waiting'), after.of('missing')], [2, 0, 7]);
  });

  test(`${manner}: flushed packets that were lost too, and flag packets among the lost, are caught up with`, () => {
    const [key, peer] = [create(), new Peer(128, manner)];
    for (const lost of [1, 4, 300, 700]) {
      for (let n = 0; n < lost; n++) {
        peer.flushes = n < 3;
        peer.frame(numbered(n));
      }
      peer.flushes = true;
      const back = open(key, [peer.frame(numbered(1)), peer.frame(numbered(2))]);
      assert.deepEqual([back.of('accepted'), back.of('missing')], [2, lost], `after ${lost}`);
    }
  });

  test(`${manner}: a flag packet brings a receiver back that asked in vain`, () => {
    const [key, peer] = [create(), new Peer(128, manner)];
    const frames = stream(300).map((one) => peer.frame(one));
    const opened = open(key, [...frames.slice(0, 10), ...frames.slice(11)]);
    assert.deepEqual([opened.of('accepted'), opened.of('waiting')], [10 + 300 - 255, 255 - 11]);
  });

  test(`${manner}: asked for a flushed packet we go on at the next flag packet, which the peer reads`, () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('arrives', 'lost', 'flush'), { maxLength: 700 }), (fates) => {
        const [key, peer] = [create(), new Peer(128, manner)];
        let waiting = false;
        for (const [n, fate] of fates.entries()) {
          if (fate === 'flush') key.flush();
          const [frame = Buffer.alloc(0)] = seal(key, [numbered(n)]);
          if (fate === 'lost') continue;
          const plain = peer.open(frame);
          if (plain !== undefined) assert.deepEqual(plain, numbered(n), `packet ${n}`);
          waiting = plain === undefined;
          if (waiting) key.flush();
        }
        if (!waiting) return;
        const [frame = Buffer.alloc(0)] = seal(key, [numbered(1)]);
        // Linux drops the first packet that shows it a loss; the next flushed one it takes.
        if (peer.open(frame) === undefined) key.flush();
        const [last = Buffer.alloc(0)] = seal(key, [numbered(2)]);
        assert.deepEqual(peer.open(last), numbered(2));
      }),
      { numRuns: 30, seed: 7 },
    );
  });
}

test('a first packet that is flushed is read, as the RFC has it', () => {
  const peer = new Peer(128, 'rfc', true);
  const opened = open(create(), [peer.frame(numbered(0)), peer.frame(numbered(1))]);
  assert.deepEqual(opened.packets, stream(2));
});

test('forged frames move nothing, whatever they claim; what they cost is bounded', () => {
  const [key, peer] = [create(), new Peer(128, 'rfc')];
  const forged = (header: number) =>
    Buffer.concat([HEAD, Buffer.of(header >> 8, header & 0xff), Buffer.alloc(60, 0xa5)]);
  assert.equal(open(key, [peer.frame(numbered(0))]).of('accepted'), 1);
  const all = Array.from({ length: 400 }, (_, n) =>
    [0x9000, 0x1000, 0x8000, 0x0000].map((bits) => forged(bits | (n * 11))),
  ).flat();
  const began = process.cpuUsage().user;
  assert.equal(open(key, all).of('accepted'), 0);
  assert.ok(process.cpuUsage().user - began < 2_000_000, 'key changes are bounded');
  assert.equal(open(key, [peer.frame(numbered(1))]).of('accepted'), 1);
});

test('late and repeated frames are dropped; a frame without encryption is none', () => {
  const [key, peer] = [create(), new Peer(128, 'linux')];
  const frames = stream(3).map((one) => peer.frame(one)) as [Buffer, Buffer, Buffer];
  const clear = Buffer.from(frames[2]);
  clear[4] = 0;
  const opened = open(key, [frames[0], frames[1], frames[0], clear, frames[2]]);
  assert.deepEqual([opened.of('accepted'), opened.of('late'), opened.of('unencrypted')], [3, 1, 1]);
});

test('a key that is told of lost packets goes on after any number of them', () => {
  for (const lost of [1, 255, 256, 4_096, 9_000]) {
    const [key, peer] = [create(), new Peer(128, 'rfc')];
    for (let n = 0; n < lost; n++) peer.frame(numbered(n));
    peer.flushes = true;
    key.skip(lost);
    assert.equal(open(key, [peer.frame(numbered(1))]).of('accepted'), 1, `after ${lost}`);
  }
});

test('a closed key works no more', () => {
  const key = create();
  assert.equal(key.implementation, 'portable');
  key.close();
  assert.throws(() => seal(key, [numbered(0)]), { code: 'CULVERT_CIPHER_CLOSED' });
  assert.throws(() => key.flush(), { code: 'CULVERT_CIPHER_CLOSED' });
});
