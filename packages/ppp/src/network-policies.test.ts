import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { bytes, hex } from '../test/hex.ts';
import { CcpPolicy, type MppeWish } from './ccp-policy.ts';
import { IpcpClientPolicy, IpcpServerPolicy } from './ipcp-policy.ts';
import { Ipv6cpPolicy } from './ipv6cp-policy.ts';
import { decodeOptions, encodeOptions } from './packet.ts';
import type { Judgement, OptionPolicy } from './policy.ts';

const parse = (text: string) => decodeOptions(bytes(text)) ?? [];
/** A verdict as one word and its options in hex. */
function judge(policy: OptionPolicy, options: string, mayNak = true): string {
  return show(policy.judge(parse(options), mayNak));
}
function show(verdict: Judgement): string {
  if (verdict.kind === 'ack') return 'ack';
  if (verdict.kind === 'impossible') return `impossible: ${verdict.reason}`;
  return `${verdict.kind} ${hex(encodeOptions(verdict.options))}`;
}
const asks = (policy: OptionPolicy) => hex(encodeOptions(policy.request()));

const required: MppeWish = { need: 'required', strengths: [128], stateful: false };
const optional: MppeWish = { ...required, need: 'optional' };

test('MPPE: we ask for stateless 128, and take exactly that', () => {
  const policy = new CcpPolicy(required);
  assert.equal(asks(policy), '120601000040');
  assert.equal(judge(policy, '120601000040'), 'ack');
  assert.deepEqual(policy.send, { strength: 128, stateless: true });
});

test('MPPE: whatever else is offered gets exactly our terms', () => {
  const offers = {
    'Windows on PPTP: H and C': '120601000001',
    'Windows over IPsec: H alone': '120601000000',
    'all strengths': '1206010000e0',
    'all strengths and C': '1206010000e1',
    stateful: '120600000040',
    '40 alone': '120601000020',
    'a mix that pppd refuses': '120601000060',
    'the obsolete bit': '120601000050',
    'bits that nobody knows': '120681000040',
  };
  for (const [name, offer] of Object.entries(offers)) {
    assert.equal(judge(new CcpPolicy(required), offer), 'nak 120601000040', name);
    assert.equal(judge(new CcpPolicy(optional), offer), 'nak 120601000040', name);
  }
});

test('MPPE: compression alone and other compressors are rejected', () => {
  const policy = new CcpPolicy(required);
  assert.equal(judge(policy, '120600000001'), 'reject 120600000001');
  assert.equal(judge(policy, '120600000000'), 'reject 120600000000');
  assert.equal(judge(policy, '1a04780018032f15032f120601000040'), 'reject 1a04780018032f15032f');
  assert.equal(judge(policy, '12040100'), 'reject 12040100', 'of a wrong length');
});

test('MPPE: a request without it is nakked where it is required, and taken where not', () => {
  assert.equal(judge(new CcpPolicy(required), ''), 'nak 120601000040');
  assert.match(judge(new CcpPolicy(required), '', false), /^impossible/);
  const policy = new CcpPolicy(optional);
  assert.equal(judge(policy, ''), 'ack');
  assert.equal(policy.send, undefined);
});

test('MPPE: with other strengths and stateful keys allowed, the best common one is taken', () => {
  const policy = new CcpPolicy({ need: 'required', strengths: [128, 56, 40], stateful: true });
  assert.equal(judge(policy, '120601000020'), 'ack');
  assert.deepEqual(policy.send, { strength: 40, stateless: true });
  assert.equal(judge(policy, '120600000080'), 'ack');
  assert.deepEqual(policy.send, { strength: 56, stateless: false });
  assert.equal(judge(policy, '1206010000a0'), 'nak 120601000080');
});

test('MPPE: where state is preferred it is asked for, and a peer that will not have it is let be', () => {
  const policy = new CcpPolicy({ need: 'required', strengths: [128], stateful: 'preferred' });
  assert.equal(asks(policy), '120600000040');
  assert.equal(judge(policy, '120601000040'), 'nak 120600000040');
  assert.equal(judge(policy, '120601000040'), 'ack');
  assert.deepEqual(policy.send, { strength: 128, stateless: true });
  assert.equal(judge(policy, '120600000040'), 'ack');
  assert.deepEqual(policy.send, { strength: 128, stateless: false });
  assert.equal(policy.handleNak(parse('120601000040')), undefined);
  assert.deepEqual(policy.receive, { strength: 128, stateless: true });
});

test('MPPE: a Nak is followed as far as it is allowed, a Reject is the end of what is required', () => {
  const both = new CcpPolicy({ need: 'required', strengths: [128, 40], stateful: false });
  assert.equal(asks(both), '120601000060', 'all that is allowed: pppd ends the link over the one that it has not');
  assert.equal(both.handleNak(parse('120601000020')), undefined);
  assert.equal(asks(both), '120601000020');
  assert.match(both.handleNak(parse('120601000080')) ?? '', /not allowed/);
  assert.match(new CcpPolicy(required).handleReject() ?? '', /has none/);
  const free = new CcpPolicy(optional);
  assert.equal(free.handleReject(), undefined);
  assert.equal(asks(free), '');
});

test('MPPE: a peer that rejects several strengths is asked for each alone, the best first', () => {
  const policy = new CcpPolicy({ need: 'required', strengths: [128, 56, 40], stateful: false });
  assert.equal(asks(policy), '1206010000e0');
  for (const alone of ['120601000040', '120601000080', '120601000020']) {
    assert.equal(policy.handleReject(), undefined);
    assert.equal(asks(policy), alone);
  }
  assert.match(policy.handleReject() ?? '', /has none/);
  policy.reset();
  assert.equal(asks(policy), '1206010000e0');
  const free = new CcpPolicy({ need: 'optional', strengths: [128, 40], stateful: false });
  for (const next of ['120601000040', '120601000020', '']) {
    assert.equal(free.handleReject(), undefined);
    assert.equal(asks(free), next);
  }
});

test('MPPE: what is listed twice is nakked, as an Ack would say yes to both', () => {
  for (const offer of ['120601000040120601000020', '120601000040120600000040', '120601000040120601000040']) {
    const policy = new CcpPolicy({ need: 'required', strengths: [128, 40], stateful: true });
    assert.equal(judge(policy, offer), 'nak 120601000040', offer);
    assert.match(judge(policy, offer, false), /^impossible/);
    assert.equal(judge(new CcpPolicy(optional), offer, false), `reject ${offer}`);
    assert.equal(policy.send, undefined);
  }
});

test('MPPE: a peer that would rather have state is asked again for none, but not for ever', () => {
  for (const wish of [required, optional]) {
    const policy = new CcpPolicy(wish);
    for (let n = 1; n <= 5; n++) {
      assert.equal(policy.handleNak(parse('120600000040')), undefined);
      assert.equal(asks(policy), '120601000040');
    }
    const reason = policy.handleNak(parse('120600000040'));
    if (wish.need === 'required') assert.match(reason ?? '', /not allowed, mppe stateful 128/);
    else assert.deepEqual([reason, asks(policy)], [undefined, '']);
    policy.reset();
    assert.equal(policy.handleNak(parse('120600000040')), undefined, 'it begins anew');
  }
});

const address = (text: string) => Uint8Array.from(text.split('.').map(Number));
const gateway = () =>
  new IpcpServerPolicy({
    local: address('10.99.0.1'),
    peer: address('10.99.0.7'),
    dns: [address('10.99.0.53')],
    nbns: [],
  });

test('IPCP: Windows asks for five things, and gets what there is', () => {
  const policy = gateway();
  assert.equal(asks(policy), '03060a630001');
  const all = '030600000000810600000000820600000000830600000000840600000000';
  assert.equal(judge(policy, all), 'reject 820600000000830600000000840600000000');
  assert.equal(judge(policy, '030600000000810600000000'), 'nak 03060a63000781060a630035');
  assert.equal(judge(policy, '03060a63000781060a630035'), 'ack');
});

test('IPCP: Van Jacobson compression, old addresses and wrong lengths are rejected', () => {
  const policy = gateway();
  assert.equal(judge(policy, '0206002d0f0103060a630007'), 'reject 0206002d0f01');
  assert.equal(judge(policy, '010a0a6300070a630001'), 'reject 010a0a6300070a630001');
  assert.equal(judge(policy, '03050a6300'), 'reject 03050a6300');
});

test('IPCP: a peer that insists on its own address is told so, and never by a Reject', () => {
  const policy = gateway();
  assert.equal(judge(policy, '0306c0a80001'), 'nak 03060a630007');
  assert.equal(judge(policy, '0306c0a80001', false), 'impossible: the peer insists on the address 192.168.0.1');
  assert.equal(judge(policy, ''), 'nak 03060a630007', 'one that asks for none is told');
  assert.equal(judge(policy, '', false), 'ack');
});

test('IPCP: a client takes what it is given', () => {
  const policy = new IpcpClientPolicy({ dns: true, nbns: true });
  assert.equal(asks(policy), '030600000000810600000000820600000000830600000000840600000000');
  assert.equal(policy.handleReject(parse('820600000000840600000000')), undefined);
  assert.equal(policy.handleNak(parse('03060a63000781060a630035830600000000')), undefined);
  assert.equal(asks(policy), '03060a63000781060a630035');
  assert.equal(judge(policy, '03060a630001'), 'ack');
  assert.deepEqual(policy.terms, {
    local: address('10.99.0.7'),
    peer: address('10.99.0.1'),
    dns: [address('10.99.0.53')],
    nbns: [],
  });
});

test('IPCP: a client asks for name servers only where it wants them, and takes no address that is none', () => {
  assert.equal(asks(new IpcpClientPolicy({ dns: false, nbns: false })), '030600000000');
  assert.equal(asks(new IpcpClientPolicy({ address: address('10.0.0.9'), dns: false, nbns: false })), '03060a000009');
  for (const none of ['00000000', '7f000001', 'e0000001', 'ffffffff'])
    assert.match(new IpcpClientPolicy({ dns: true, nbns: false }).handleNak(parse(`0306${none}`)) ?? '', /gives/);
  assert.match(new IpcpClientPolicy({ dns: true, nbns: false }).handleReject(parse('030600000000')) ?? '', /no IPv4/);
  const policy = new IpcpClientPolicy({ dns: true, nbns: false });
  assert.equal(judge(policy, '03060000000081060a000001'), 'reject 03060000000081060a000001');
  assert.equal(judge(policy, ''), 'ack', 'a server may hide its own');
});

test('IPV6CP: identifiers are not zero, and not the same', () => {
  const policy = new Ipv6cpPolicy({ local: bytes('0200000000000001') }, seededRandom(1));
  assert.match(judge(policy, '010a0000000000000000'), /^nak 010a/);
  assert.match(judge(policy, '010a0200000000000001'), /^nak 010a/);
  assert.doesNotMatch(judge(policy, '010a0200000000000001'), /0200000000000001|0000000000000000/);
  assert.match(judge(policy, ''), /^nak 010a/);
  assert.equal(judge(policy, '', false), 'ack');
  assert.match(judge(policy, '010a0200000000000001', false), /^impossible/);
  assert.equal(judge(policy, '010a21caf073f31da6e9'), 'ack');
  assert.equal(hex(policy.peer), '21caf073f31da6e9');
  assert.equal(judge(policy, '0204004f'), 'reject 0204004f', 'compression');
  assert.equal(policy.handleNak(parse('010ae46bb66e8d8c76a6')), undefined);
  assert.equal(asks(policy), '010ae46bb66e8d8c76a6');
  policy.handleNak(parse('010a0000000000000000'));
  assert.doesNotMatch(asks(policy), /0000000000000000|e46b/);
});

test('IPV6CP: a server may say which one', () => {
  const policy = new Ipv6cpPolicy({ peer: bytes('0000000000000007') }, seededRandom(1));
  assert.equal(judge(policy, '010a21caf073f31da6e9'), 'nak 010a0000000000000007');
  assert.equal(judge(policy, '010a0000000000000007'), 'ack');
});
