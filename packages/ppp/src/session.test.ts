import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloseReason, Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import { admission, PASSWORD } from '../test/auth-ends.ts';
import { admitted, clientOptions, network, SessionEnd, serverOptions } from '../test/ends.ts';
import { bytes, hex } from '../test/hex.ts';
import { mppe128, Pair } from '../test/pair.ts';
import { clientOffer, material, serverOffer } from '../test/stand-in-auth.ts';
import { clientAuth, serverAuth } from './auth/offers.ts';
import type { MppeWish } from './ccp-policy.ts';
import type { PppVerdict } from './face.ts';

test('both roles agree: addresses, name servers, keys, MTU, and IPv6 by a router advertisement', () => {
  const pair = new Pair({ mppe: mppe128 }, { mppe: mppe128 }).open().run();
  const { clientTerms, serverTerms } = pair;
  assert.equal(clientTerms?.identity, 'alice');
  assert.equal(serverTerms?.identity, 'alice');
  assert.deepEqual(clientTerms?.ipv4, { local: '10.99.0.7', peer: '10.99.0.1', dns: ['10.99.0.53'], nbns: [] });
  assert.deepEqual(serverTerms?.ipv4, { local: '10.99.0.1', peer: '10.99.0.7', dns: ['10.99.0.53'], nbns: [] });
  assert.equal(clientTerms?.mtu, 1_396);
  assert.deepEqual(clientTerms?.mppe.send, serverTerms?.mppe.receive);
  assert.deepEqual(clientTerms?.mppe.receive, serverTerms?.mppe.send);
  assert.notDeepEqual(clientTerms?.mppe.send, clientTerms?.mppe.receive);
  assert.equal(clientTerms?.ipv6?.local, serverTerms?.ipv6?.peer);
  assert.match(clientTerms?.ipv6?.global?.address ?? '', /^fd00:99:0:7:/);
  assert.equal(clientTerms?.ipv6?.global?.gateway, serverTerms?.ipv6?.local);
  assert.deepEqual(clientTerms?.ipv6?.dns, ['fd00:99::53']);
  assert.deepEqual(pair.reasons(), [undefined, undefined]);
});

test('a client whose EAP is content goes on where the network phase begins and no Success comes', () => {
  const client = {
    auth: clientAuth({ random: seededRandom(3), username: 'alice', password: PASSWORD, methods: ['eap'] }),
  };
  const pair = new Pair(
    { ...client, mppe: mppe128 },
    { auth: serverAuth({ random: seededRandom(4), name: 'gateway', methods: ['eap'] }), mppe: mppe128 },
  );
  pair.server.judge = (claim) => ({ ...admission(claim), network }) as PppVerdict;
  const { session } = pair.client;
  const isSuccess = (frame: Uint8Array) => hex(frame).startsWith('ff03c22703');
  let successes = 0;
  const handleDatagram = pair.client.handleDatagram.bind(pair.client);
  pair.client.handleDatagram = (frame, path, now) => {
    if (isSuccess(frame)) successes++;
    else handleDatagram(frame, path, now);
  };
  pair.open().run(2_000);
  assert.ok(successes > 0);
  assert.equal(session.phase, 'network');
  assert.equal(pair.clientTerms?.mppe.send?.strength, 128);
  assert.deepEqual(pair.clientTerms?.mppe.send, pair.serverTerms?.mppe.receive);
});

test('a network phase that begins before EAP is content lets nobody in', () => {
  const auth = clientAuth({ random: seededRandom(3), username: 'alice', password: PASSWORD, methods: ['eap'] });
  const pair = new Pair({ auth }, { auth: serverAuth({ random: seededRandom(4), name: 'gateway', methods: ['eap'] }) });
  pair.server.verdict = undefined; // it waits for admission
  pair.open().run(1_000);
  const { session } = pair.client;
  const { unexpected } = session.stats;
  assert.equal(session.phase, 'authenticate');
  session.handleFrame(bytes('ff038021 01010004'), pair.link.now);
  assert.equal(session.phase, 'authenticate');
  assert.equal(session.stats.unexpected, unexpected + 1);
});

test('the server may begin long after the client', () => {
  const pair = new Pair();
  pair.client.session.open(pair.link.now);
  pair.run(2_100);
  pair.server.session.open(pair.link.now);
  pair.run(500);
  assert.ok(pair.clientTerms, 'the first request of a late peer brings ours at once');
});

test('a link goes on for as long as it is answered, and says goodbye in words', () => {
  const pair = new Pair().open().run(600_000);
  assert.deepEqual(pair.reasons(), [undefined, undefined]);
  pair.server.session.close({ cause: 'idle', detail: 'nothing for 600 s' }, pair.link.now);
  pair.run(5_000);
  assert.deepEqual(pair.reasons(), [
    { cause: 'peer', detail: 'the peer said goodbye: link was idle' },
    { cause: 'idle', detail: 'nothing for 600 s' },
  ]);
  assert.equal(pair.client.pollTimeout(), undefined);
  assert.equal(pair.server.pollTimeout(), undefined);
});

test('a silent peer is given up after its echoes', () => {
  const pair = new Pair({}, { echoInterval: 10_000, echoFailures: 3 }).open().run();
  pair.link.cut = true;
  pair.run(45_000);
  assert.deepEqual(pair.reasons()[1], { cause: 'lost', detail: 'the peer stopped answering' });
});

test('data that arrives counts as an answer', () => {
  const pair = new Pair({}, { echoInterval: 10_000, echoFailures: 3 }).open().run();
  pair.link.cut = true;
  for (let n = 0; n < 20; n++) {
    pair.server.session.heard(pair.link.now);
    pair.run(5_000);
  }
  assert.equal(pair.reasons()[1], undefined);
});

test('a peer that is not let in hears no more than that', () => {
  const pair = new Pair();
  pair.server.verdict = { kind: 'refused', code: 691, message: 'no such user', retry: false };
  pair.open().run();
  const [client, server] = pair.reasons();
  assert.deepEqual(server, { cause: 'refused', detail: 'no such user' });
  assert.equal(client?.cause, 'refused');
  assert.ok(pair.server.sent.every((frame) => !Buffer.from(frame).includes('no such user')));
});

test('admission may take its time, but not for ever', () => {
  const pair = new Pair();
  pair.server.verdict = undefined;
  pair.open().run(5_000);
  const [claim] = pair.events(1, 'claim');
  pair.server.session.handleVerdict(claim?.id ?? 0, admitted, pair.link.now);
  pair.run(5_000);
  assert.ok(pair.clientTerms);

  const late = new Pair();
  late.server.verdict = undefined;
  late.open().run(120_000);
  assert.match(late.reasons()[1]?.detail ?? '', /authentication took too long/);
});

test('encryption that one end requires and the other has not ends the link', () => {
  for (const [client, server] of [
    [mppe128, undefined],
    [undefined, mppe128],
    [mppe128, { need: 'required', strengths: [40], stateful: false }],
  ] satisfies [MppeWish | undefined, MppeWish | undefined][]) {
    const pair = new Pair({ mppe: client }, { mppe: server }).open().run(60_000);
    assert.equal(pair.clientTerms, undefined);
    assert.equal(pair.serverTerms, undefined);
    const details = pair.reasons().map((reason) => reason?.detail ?? '');
    assert.ok(
      details.some((detail) => /encryption/.test(detail)),
      JSON.stringify(details),
    );
  }
});

test('optional encryption is used where both have it, and a link goes on without', () => {
  const optional: MppeWish = { need: 'optional', strengths: [128], stateful: false };
  const both = new Pair({ mppe: optional }, { mppe: optional }).open().run();
  assert.equal(both.clientTerms?.mppe.send?.strength, 128);
  const one = new Pair({ mppe: optional }, {}).open().run();
  assert.deepEqual(one.clientTerms?.mppe, { send: undefined, receive: undefined });
  assert.equal(one.clientTerms?.mtu, 1_400);
});

test('the strongest that both allow is taken', () => {
  const pair = new Pair(
    { mppe: { need: 'required', strengths: [128, 56, 40], stateful: false } },
    { mppe: { need: 'required', strengths: [56, 40], stateful: false } },
  )
    .open()
    .run();
  assert.equal(pair.clientTerms?.mppe.send?.strength, 56);
  assert.equal(pair.clientTerms?.mppe.receive?.strength, 56);
});

test('a peer that prefers MPPE with state gets it without where that is all that is allowed, whichever end it is', () => {
  const preferred: MppeWish = { ...mppe128, stateful: 'preferred' };
  for (const [client, server] of [
    [preferred, mppe128],
    [mppe128, preferred],
  ] as const) {
    const pair = new Pair({ mppe: client }, { mppe: server }).open().run();
    for (const terms of [pair.clientTerms, pair.serverTerms]) {
      assert.equal(terms?.mppe.send?.stateless, true, JSON.stringify(pair.reasons()));
      assert.equal(terms?.mppe.receive?.stateless, true);
    }
    assert.deepEqual(pair.clientTerms?.mppe.send, pair.serverTerms?.mppe.receive);
  }
});

test('encryption without a key from the authentication is none', () => {
  const keyless = { ...material, mppeMasterKey: undefined };
  const pair = new Pair({ mppe: mppe128, auth: [clientOffer('alice', keyless)] }, {});
  pair.open().run();
  assert.match(pair.reasons()[0]?.detail ?? '', /gives no key/);
});

test('the server asks for what it allows, in its order, until the client has one of them', () => {
  const first = serverOffer(0xc227, undefined);
  const second = serverOffer(0xc223, 0x81);
  const third = serverOffer(0xc223, 5);
  const pair = new Pair({ auth: [clientOffer('alice', material, 0xc223, 5)] }, { auth: [first, second, third] });
  pair.open().run();
  assert.ok(pair.clientTerms);
  const none = new Pair({ auth: [clientOffer('alice', material, 0xc023, undefined)] }, { auth: [first, second] });
  none.open().run();
  assert.match(none.reasons()[1]?.detail ?? '', /knows no way to authenticate itself that is allowed/);
});

test('a line that is looped back ends the link: we hear our own magic number', () => {
  for (const options of [serverOptions(), clientOptions({ auth: [] })]) {
    const { session } = new SessionEnd(options);
    let now = 1_000 as Instant;
    session.open(now);
    for (let turn = 0; turn < 60; turn++) {
      for (let f = session.pollTransmit(); f !== undefined; f = session.pollTransmit()) session.handleFrame(f, now);
      now = (now + 500) as Instant;
      session.handleTimeout(now);
    }
    const downs: CloseReason[] = [];
    for (let e = session.pollEvent(); e !== undefined; e = session.pollEvent())
      if (e.kind === 'down') downs.push(e.reason);
    assert.deepEqual(downs, [{ cause: 'protocol', detail: 'the line is looped back' }]);
  }
});

test('a server that asks for no authentication is not trusted, unless the client may', () => {
  const open = { auth: [], network };
  assert.match(new Pair({}, open).open().run().reasons()[0]?.detail ?? '', /asks for no authentication/);
  assert.ok(new Pair({ acceptNoAuthentication: true }, open).open().run().clientTerms);
});

test('IPv4 alone and IPv6 alone are links too', () => {
  const v4 = new Pair({ ipv6: undefined }).open().run();
  assert.ok(v4.clientTerms?.ipv4);
  assert.equal(v4.serverTerms?.ipv6, undefined);
  const v6 = new Pair({ ipv4: undefined }).open().run();
  assert.equal(v6.clientTerms?.ipv4, undefined);
  assert.ok(v6.clientTerms?.ipv6?.global);
  const nothing = new Pair({ ipv4: undefined }, {});
  nothing.server.verdict = { kind: 'admitted', material, network: { ipv4: network.ipv4, ipv6: undefined } };
  nothing.open().run();
  assert.match(nothing.reasons()[0]?.detail ?? '', /does not have IPV6CP|no network protocol in common/);
});

test('the carrier may go at any time', () => {
  for (let step = 0; step < 200; step += 10) {
    const pair = new Pair().open().run(step);
    pair.client.session.carrierLost(pair.link.now);
    const down = pair.events(0, 'down').length;
    pair.run(1);
    assert.equal(pair.events(0, 'down').length + down, 1, `after ${step} ms`);
    assert.equal(pair.client.session.pollTransmit(), undefined);
    assert.equal(pair.client.pollTimeout(), undefined);
  }
});

test('a peer that begins LCP anew when all is up ends the link', () => {
  const pair = new Pair().open().run();
  const again = new SessionEnd(clientOptions({}));
  again.session.open(pair.link.now);
  const frame = again.pollTransmit();
  assert.ok(frame);
  pair.link.inject(1, frame.datagram);
  pair.run(5_000);
  // The same request as before may be a late copy. It is acknowledged; another one is not.
  assert.equal(pair.reasons()[1], undefined);
  frame.datagram[frame.datagram.length - 6] = 0x55;
  frame.datagram[frame.datagram.length - 5] = 0x55;
  pair.link.inject(1, frame.datagram);
  pair.run(5_000);
  assert.equal(pair.reasons()[1]?.detail, 'the peer began LCP anew');
});

/** The client's next incarnation, and the request that it begins with. */
function newcomer(pair: Pair, seed: number) {
  const end = new SessionEnd(clientOptions({}, seededRandom(seed)));
  end.session.open(pair.link.now);
  const request = end.pollTransmit()?.datagram;
  assert.ok(request);
  return { end, request };
}

test('before it has shown itself a peer may begin anew, but not for ever', () => {
  const pair = new Pair();
  pair.server.session.open(pair.link.now);
  const hear = (end: SessionEnd): void => {
    for (let f = pair.server.session.pollTransmit(); f !== undefined; f = pair.server.session.pollTransmit())
      end.session.handleFrame(f, pair.link.now);
    for (let f = end.session.pollTransmit(); f !== undefined; f = end.session.pollTransmit())
      pair.server.session.handleFrame(f, pair.link.now);
  };
  let ends = 0;
  for (let seed = 100; pair.server.session.phase !== 'terminate' && seed < 120; seed++) {
    const { end, request } = newcomer(pair, seed);
    pair.server.session.handleFrame(request, pair.link.now);
    // LCP opens, and the newcomer leaves before it answers the challenge.
    for (let n = 0; n < 3 && pair.server.session.phase === 'establish'; n++) hear(end);
    ends++;
  }
  assert.equal(ends, 6);
  assert.equal(pair.server.session.phase, 'terminate');
});

test('while admission looks at a claim, LCP cannot begin anew', () => {
  const pair = new Pair();
  pair.server.verdict = undefined;
  pair.open().run(1_000);
  const [claim] = pair.events(1, 'claim');
  assert.ok(claim);
  pair.link.inject(1, newcomer(pair, 50).request);
  pair.run(10_000);
  assert.equal(pair.reasons()[1]?.detail, 'the peer began LCP anew');
  pair.server.session.handleVerdict(claim.id, admitted, pair.link.now);
  assert.equal(pair.events(1, 'claim').length, 1);
});

test('encryption that is up stays as it is: a peer that negotiates it anew is left', () => {
  const pair = new Pair({ mppe: mppe128 }, { mppe: mppe128 }).open().run();
  // A request of other options, as it would be of a peer that wants none any more.
  pair.link.inject(1, bytes('ff03 80fd 0177 0004'));
  pair.run(5_000);
  assert.equal(pair.reasons()[1]?.detail, 'the peer took the encryption down');
});

test('the peer may end encryption that was optional only by ending the link', () => {
  const optional: MppeWish = { ...mppe128, need: 'optional' };
  const pair = new Pair({ mppe: optional }, { mppe: optional }).open().run();
  pair.link.inject(1, bytes('ff03 80fd 0577 0004'));
  pair.run(5_000);
  assert.equal(pair.reasons()[1]?.detail, 'the peer took the encryption down');
});

test('CCP that was refused does not come back', () => {
  const pair = new Pair({ mppe: { ...mppe128, need: 'optional' } }, {}).open().run();
  pair.link.inject(0, bytes('ff03 80fd 0101 000a 120601000040'));
  pair.run(5_000);
  assert.deepEqual(pair.clientTerms?.mppe, { send: undefined, receive: undefined });
  assert.equal(hex(pair.client.sent.at(-1) ?? bytes('')).slice(8, 10), '08', 'a Protocol-Reject');
});

test('a Reset-Request is acknowledged, and told to the data path', () => {
  const pair = new Pair({ mppe: mppe128 }, { mppe: mppe128 }).open().run();
  pair.client.session.requestEncryptionReset(pair.link.now);
  pair.run(1_000);
  assert.equal(pair.events(1, 'encryption-reset').length, 1);
  assert.ok(pair.server.sent.some((frame) => hex(frame).startsWith('ff0380fd0f')));
});

test('addresses that the peer gives up and takes again are told', () => {
  const pair = new Pair().open().run();
  pair.link.inject(1, bytes('ff03 8021 0577 0004'));
  pair.run(5_000);
  assert.equal(pair.serverTerms?.ipv4, undefined);
  assert.ok(pair.serverTerms?.ipv6);
  assert.deepEqual(pair.reasons(), [undefined, undefined], 'IPv6 is a link too');
});

test('a carrier that takes nothing costs 64 frames', () => {
  const pair = new Pair().open().run();
  for (let n = 0; n < 200; n++) pair.server.session.handleFrame(bytes('ff03 c021 0901 0008 00000000'), pair.link.now);
  assert.equal(pair.server.session.stats.dropped, 136);
});

test('what is asked again is not answered by the wrong verdict, nor twice', () => {
  const pair = new Pair();
  pair.server.verdict = undefined;
  pair.open().run(1_000);
  const [claim] = pair.events(1, 'claim');
  assert.ok(claim);
  pair.server.session.handleVerdict(claim.id + 1, admitted, pair.link.now);
  pair.run(1_000);
  assert.equal(pair.serverTerms, undefined);
  pair.server.session.handleVerdict(claim.id, admitted, pair.link.now);
  const refused: PppVerdict = { kind: 'refused', code: 691, message: 'too late', retry: false };
  pair.server.session.handleVerdict(claim.id, refused, pair.link.now);
  pair.run(5_000);
  assert.ok(pair.serverTerms);
});

test('an address that is none is the caller’s fault, at once', () => {
  const wrong = { ipv4: { local: '10.99.0.1', peer: '10.99.0', dns: [] }, ipv6: undefined };
  assert.throws(() => new SessionEnd(serverOptions({ network: wrong })), /not an IP address/);
  const mixed = { ipv4: { local: '10.99.0.1', peer: '10.99.0.7', dns: ['fd00::53'] }, ipv6: undefined };
  assert.throws(() => new SessionEnd(serverOptions({ network: mixed })), RangeError);
  const narrow = { ipv4: undefined, ipv6: { prefix: 'fd00:99::/56', dns: [] } };
  assert.throws(() => new SessionEnd(serverOptions({ network: narrow })), RangeError);
});
