import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import { bytes } from '../test/hex.ts';
import { Lcp, type LcpEvent } from './lcp.ts';
import { type AuthName, LcpPolicy, type LcpPolicyOptions } from './lcp-policy.ts';
import { decodeControlPacket, decodeOptions } from './packet.ts';
import { decodeGoodbye } from './terminate.ts';

const eap: AuthName = { name: 'eap', protocol: 0xc227 };
const ms2: AuthName = { name: 'mschapv2', protocol: 0xc223, algorithm: 0x81 };
const md5: AuthName = { name: 'chap-md5', protocol: 0xc223, algorithm: 5 };

function options(more: Partial<LcpPolicyOptions> = {}): LcpPolicyOptions {
  return { random: seededRandom(1), mru: 1_400, compressFields: true, require: [], prove: [ms2], ...more };
}
const parse = (text: string) => decodeOptions(bytes(text)) ?? [];
const words = (policy: LcpPolicy) =>
  policy
    .request()
    .map(({ type }) => type)
    .join(' ');

test('what is not LCP of ours is rejected, and alone: callback, multilink, endpoint, quality', () => {
  const policy = new LcpPolicy(options());
  // Windows with multilink on, and an MRU that would be nakked.
  const offered = parse(
    '01040040' + '0506aabbccdd' + '07020802' + '0d0306' + '1104064e' + '1305010203' + '17040001' + '0408c025000003e8',
  );
  const verdict = policy.judge(offered, true);
  assert.equal(verdict.kind, 'reject');
  assert.deepEqual(verdict.kind === 'reject' && verdict.options.map(({ type }) => type), [13, 17, 19, 23, 4]);
});

test('a request without options is right, and so is every MRU that carries something', () => {
  const policy = new LcpPolicy(options());
  assert.deepEqual(policy.judge([], true), { kind: 'ack' });
  assert.equal(policy.peer.mru, 1_500);
  assert.deepEqual(policy.judge(parse('01040578'), true), { kind: 'ack' });
  assert.equal(policy.peer.mru, 1_400);
  assert.deepEqual(policy.judge(parse('01040040'), true), { kind: 'nak', options: parse('010405dc') });
  assert.equal(policy.judge(parse('01040040'), false).kind, 'reject');
  assert.equal(policy.judge(parse('0106000005dc'), true).kind, 'reject', 'of a wrong length');
});

test('our own magic number is our own voice', () => {
  const policy = new LcpPolicy(options());
  const own = policy.request().filter(({ type }) => type === 5);
  for (let n = 0; n < 4; n++) {
    const verdict = policy.judge(own, true);
    assert.equal(verdict.kind, 'nak');
    assert.notDeepEqual(verdict.kind === 'nak' && verdict.options, own);
  }
  assert.deepEqual(policy.judge(own, true), { kind: 'impossible', reason: 'the line is looped back' });
  assert.equal(policy.judge(parse('050600000000'), true).kind, 'nak', 'zero is none');
});

test('a client takes what it can, and asks for its best instead of the rest', () => {
  const policy = new LcpPolicy(options({ prove: [ms2, md5] }));
  assert.deepEqual(policy.judge(parse('0304c227'), true), { kind: 'nak', options: parse('0305c22381') });
  assert.deepEqual(policy.judge(parse('0304c023'), true), { kind: 'nak', options: parse('0305c22381') });
  assert.deepEqual(policy.judge(parse('0305c22305'), true), { kind: 'ack' });
  assert.equal(policy.peer.authentication, md5);
  assert.equal(policy.judge(parse('0304c227'), false).kind, 'reject');
  assert.equal(new LcpPolicy(options({ prove: [] })).judge(parse('0305c22381'), true).kind, 'reject', 'a server');
});

test('an option that is listed often is nakked once, so an answer is not longer than its question', () => {
  const policy = new LcpPolicy(options());
  const often = parse('0304c227'.repeat(300));
  assert.deepEqual(policy.judge(often, true), { kind: 'nak', options: parse('0305c22381') });
});

test('a server asks in its order, follows a wish that it allows, and never asks twice', () => {
  const policy = new LcpPolicy(options({ require: [eap, ms2, md5], prove: [] }));
  assert.equal(policy.required, eap);
  assert.equal(policy.handleNak(parse('0305c22305')), undefined);
  assert.equal(policy.required, md5);
  assert.equal(policy.handleNak(parse('0304c023')), undefined);
  assert.equal(policy.required, ms2);
  assert.match(policy.handleNak(parse('0304c227')) ?? '', /no way to authenticate/);
  policy.reset();
  assert.match(policy.handleReject(parse('0304c227')) ?? '', /refuses to authenticate/);
});

test('a client goes on when all of its options are rejected (SoftEther)', () => {
  const policy = new LcpPolicy(options());
  assert.equal(words(policy), '1 5 7 8');
  assert.equal(policy.handleReject(parse('05060000000007020802')), undefined);
  assert.equal(words(policy), '1');
  assert.equal(policy.magic, 0);
  assert.equal(policy.handleReject(parse('01040578')), undefined);
  assert.equal(words(policy), '');
  assert.equal(policy.mru, 1_500);
  policy.reset();
  assert.equal(words(policy), '1 5 7 8');
});

test('a peer that wants 1,500 gets it (RRAS), and no more than we take', () => {
  const policy = new LcpPolicy(options());
  policy.handleNak(parse('010405dc'));
  assert.equal(policy.mru, 1_500);
  policy.handleNak(parse('0104ffff'));
  policy.handleNak(parse('01040001'));
  assert.equal(policy.mru, 1_500);
});

test("Windows' twelve bytes are an error code in words, other bytes are a text without tricks", () => {
  const windows = Buffer.from('0908d0f0003ccd74000002b3', 'hex');
  assert.deepEqual(decodeGoodbye(windows), {
    text: 'wrong name or password, or the authentication protocol is not permitted (Windows error 691)',
    windowsError: 691,
  });
  assert.equal(decodeGoodbye(Buffer.from('MPPE disabled')).text, 'MPPE disabled');
  assert.equal(decodeGoodbye(Buffer.from('a\n\u001b[31mb\u0000')).text, 'a??[31mb?');
  assert.equal(decodeGoodbye(new Uint8Array(1_000).fill(65)).text.length, 120);
  assert.equal(decodeGoodbye(new Uint8Array(0)).text, '');
});

/** LCP at work, its peer a hand. */
class Bench {
  now = 5_000 as Instant;
  readonly lcp = new Lcp({ ...options(), echoInterval: 10_000, echoFailures: 2 });

  constructor(open = true) {
    this.lcp.open(this.now);
    if (!open) return;
    const [request] = this.sent();
    assert.ok(request);
    this.lcp.handlePacket(Uint8Array.of(2, ...request.subarray(1)), this.now);
    this.lcp.handlePacket(Buffer.from('0101000801040578', 'hex'), this.now);
    this.sent();
    assert.ok(this.lcp.isOpen);
    this.events();
  }
  sent(): Uint8Array[] {
    const out: Uint8Array[] = [];
    for (let p = this.lcp.pollTransmit(); p !== undefined; p = this.lcp.pollTransmit()) out.push(p);
    return out;
  }
  events(): LcpEvent[] {
    const out: LcpEvent[] = [];
    for (let e = this.lcp.pollEvent(); e !== undefined; e = this.lcp.pollEvent()) if (e.kind !== 'note') out.push(e);
    return out;
  }
  hear(text: string): void {
    this.lcp.handlePacket(bytes(text), this.now);
  }
}

test('an Echo is answered with our magic number, before LCP is open too', () => {
  for (const open of [true, false]) {
    const bench = new Bench(open);
    bench.sent();
    bench.hear('0907000a000000001234');
    const [answer] = bench.sent();
    const packet = answer && decodeControlPacket(answer);
    assert.deepEqual([packet?.code, packet?.id], [10, 7]);
    assert.equal(Buffer.from(packet?.body ?? []).readUInt32BE(), bench.lcp.policy.magic);
    assert.equal(Buffer.from(packet?.body.subarray(4) ?? []).toString('hex'), '1234');
    bench.hear('090700060000');
    assert.deepEqual(bench.sent(), [], 'without magic number it is none');
  }
});

test('an Echo-Reply is no longer than the peer can take', () => {
  const bench = new Bench();
  const echo = new Uint8Array(2_000);
  echo.set([9, 1, 2_000 >>> 8, 2_000 & 0xff]);
  bench.lcp.handlePacket(echo, bench.now);
  assert.equal(bench.sent()[0]?.length, 1_400);
});

test('an Echo with our own magic number is our own voice', () => {
  const bench = new Bench();
  bench.hear(`09010008${bench.lcp.policy.magic.toString(16).padStart(8, '0')}`);
  assert.deepEqual(bench.events(), [{ kind: 'failed', reason: 'the line is looped back' }]);
});

test('Identification, Time-Remaining and Discard want nothing, other codes are rejected', () => {
  const bench = new Bench();
  bench.hear('0c020012aabbccdd4d5352415356352e3230');
  bench.hear('0d03000caabbccdd00000e10');
  bench.hear('0b040008aabbccdd');
  assert.deepEqual(bench.sent(), []);
  bench.hear('0e050004');
  assert.equal(bench.sent()[0]?.[0], 7);
});

test('a Protocol-Reject counts only when LCP is open, and of LCP itself it is the end', () => {
  const early = new Bench(false);
  early.hear('0801000680fd');
  assert.deepEqual(early.events(), []);
  const bench = new Bench();
  bench.hear('0801000680fd');
  assert.deepEqual(bench.events(), [{ kind: 'protocol-rejected', protocol: 0x80fd }]);
  bench.hear('0802000580');
  assert.equal(bench.lcp.stats.malformed, 1);
  bench.hear('08030006c021');
  assert.deepEqual(
    bench.events().map(({ kind }) => kind),
    ['failed', 'down'],
  );
});

test('our Protocol-Reject quotes the packet, no longer than the peer can take', () => {
  const bench = new Bench();
  bench.lcp.rejectProtocol(0x8235, new Uint8Array(2_000).fill(9));
  const [sent] = bench.sent();
  assert.equal(sent?.length, 1_400);
  assert.deepEqual([...(sent?.subarray(4, 7) ?? [])], [0x82, 0x35, 9]);
});

test('silence is asked about, and what comes ends it', () => {
  const bench = new Bench();
  const tick = (): string[] => {
    bench.now = (bench.now + 10_000) as Instant;
    bench.lcp.handleTimeout(bench.now);
    return [...bench.sent().map((packet) => `code ${packet[0]}`), ...bench.events().map(({ kind }) => kind)];
  };
  assert.deepEqual([tick(), tick()], [['code 9'], ['code 9']]);
  bench.hear('0a02000800000000');
  assert.deepEqual([tick(), tick(), tick(), tick()], [['code 9'], ['code 9'], ['silent'], []]);
});
