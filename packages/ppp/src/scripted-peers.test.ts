import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { admitted, clientOptions, network, SessionEnd, serverOptions } from '../test/ends.ts';
import { type Script, ScriptedPeer } from '../test/scripted-peer.ts';
import * as scripts from '../test/scripts.ts';
import { material, serverOffer } from '../test/stand-in-auth.ts';
import type { MppeWish } from './ccp-policy.ts';
import type { PppClientOptions, PppEvent, PppServerOptions, PppVerdict } from './face.ts';

const mppe: MppeWish = { need: 'required', strengths: [128], stateful: false };
const IPCP = 0x8021;
const IPV6CP = 0x8057;
const CCP = 0x80fd;

interface Meeting {
  readonly end: SessionEnd;
  readonly peer: ScriptedPeer;
  readonly events: PppEvent[];
  readonly up: Extract<PppEvent, { kind: 'up' }>['terms'] | undefined;
  pass(): void;
}

/** Both ends over a wire without loss, until nothing is said any more. */
function meet(
  script: Script,
  more: Partial<PppServerOptions> | Partial<PppClientOptions> = {},
  verdict = admitted,
): Meeting {
  const options =
    script.role === 'client'
      ? serverOptions(more as Partial<PppServerOptions>)
      : clientOptions(more as Partial<PppClientOptions>);
  const end = new SessionEnd(options);
  end.verdict = verdict;
  const peer = new ScriptedPeer(script);
  const events: PppEvent[] = [];
  let now = 1_000 as Instant;
  const pass = (): void => {
    for (let quiet = 0; quiet < 2; ) {
      let said = 0;
      for (let t = end.pollTransmit(); t !== undefined; t = end.pollTransmit()) {
        if (t.datagram[3] !== 0x57 || t.datagram[2] !== 0) peer.handle(t.datagram);
        said++;
      }
      for (let e = end.pollEvent(); e !== undefined; e = end.pollEvent()) events.push(e);
      for (let f = peer.poll(); f !== undefined; f = peer.poll()) {
        end.handleDatagram(f, { socket: 0, local: nowhere, remote: nowhere }, now);
        said++;
      }
      now = (now + 1) as Instant;
      quiet = said === 0 ? quiet + 1 : 0;
      assert.ok(now < 2_000, 'both ends talk for ever');
    }
  };
  end.session.open(now);
  peer.open();
  pass();
  const up = events.find((event) => event.kind === 'up');
  return { end, peer, events, up: up?.terms, pass };
}
const nowhere = { address: '192.0.2.1', port: 0 };

for (const script of [scripts.windowsClient, scripts.windowsMultilink]) {
  test(`${script.name}: comes up with 128 bits, after its callback, strengths and NBNS are put right`, () => {
    const { peer, up } = meet(script, { mppe });
    assert.equal(up?.identity, 'alice');
    assert.deepEqual(up?.ipv4?.peer, '10.99.0.7');
    assert.deepEqual(up?.mppe.send?.strength, 128);
    assert.equal(up?.mtu, 1_396);
    assert.ok(up?.addressCompression && up.protocolCompression);
    assert.equal(peer.got(IPCP), '03060a630007 81060a630035');
    assert.equal(peer.got(CCP), '120601000040');
    assert.ok(peer.isOpen(IPV6CP) && peer.isOpen(IPCP) && peer.isOpen(CCP));
    const rejects = peer.told.filter((one) => one.startsWith('c021'));
    assert.ok(rejects.length > 0 && rejects.every((one) => one.startsWith('c021 reject')), 'never a Nak');
    assert.ok(!peer.heard.some((one) => one.startsWith('c021 7')), 'Identification is no unknown code');
  });
}

test('Windows over IPsec goes on without MPPE', () => {
  const { peer, up } = meet(scripts.windowsOverIpsec);
  assert.deepEqual(up?.mppe, { send: undefined, receive: undefined });
  assert.equal(up?.mtu, 1_400);
  assert.ok(peer.told.includes('80fd does not exist'));
  assert.ok(peer.isOpen(IPCP));
});

test('a Windows client that gets no IPv6 is told so, and goes on', () => {
  const verdict: PppVerdict = { kind: 'admitted', material, network: { ipv4: network.ipv4, ipv6: undefined } };
  const { peer, up } = meet(scripts.windowsClient, { mppe }, verdict);
  assert.ok(peer.told.includes('8057 does not exist'));
  assert.equal(up?.ipv6, undefined);
  assert.equal(up?.ipv4?.peer, '10.99.0.7');
});

test('RRAS: EAP, callback and multilink are put right, its MRU taken, H and C answered with H and S', () => {
  const { peer, up } = meet(scripts.rras, { mppe });
  assert.equal(up?.ipv4?.local, '10.99.0.7');
  assert.deepEqual(up?.ipv4?.dns, ['10.99.0.53']);
  assert.equal(up?.mppe.receive?.strength, 128);
  assert.equal(up?.ipv6, undefined, 'it has no IPV6CP');
  assert.ok(peer.told.includes('c021 nak 0305c22381'));
  assert.ok(peer.isOpen(CCP) && peer.isOpen(IPCP));
});

for (const strengths of [
  [128, 40],
  [128, 56, 40],
] as const) {
  test(`RRAS and Windows reject a mix of ${strengths.join(', ')} bits, and get 128`, () => {
    const several: MppeWish = { need: 'required', strengths, stateful: false };
    const asClient = meet(scripts.rras, { mppe: several });
    assert.equal(asClient.up?.mppe.receive?.strength, 128);
    assert.ok(asClient.peer.isOpen(CCP) && asClient.peer.isOpen(IPCP));
    const ccp = { asks: ['120601000001'], takes: scripts.rras.networks[CCP]?.takes ?? {} };
    for (const networks of [scripts.windowsClient.networks, { ...scripts.windowsClient.networks, [CCP]: ccp }]) {
      const { up } = meet({ ...scripts.windowsClient, networks }, { mppe: several });
      assert.deepEqual([up?.mppe.send?.strength, up?.mppe.receive?.strength], [128, 128]);
    }
  });
}

test('macOS: EAP first is nakked, ACSP is rejected, no name server in our request', () => {
  const { peer, up } = meet(scripts.macos, { auth: [serverOffer(0xc227, undefined), serverOffer()] });
  assert.equal(up?.ipv4?.peer, '10.99.0.7');
  assert.ok(up?.ipv6);
  assert.equal(up?.mtu, 1_500, 'it asks for no MRU');
  assert.equal(peer.got(IPCP), '03060a630007 81060a630035');
  assert.ok(peer.told.includes('8235 does not exist'));
  assert.ok(!peer.heard.some((one) => /^8021 1: .*8106/.test(one)));
});

test('CCP that comes when addresses are settled is waited for: nothing is up without encryption', () => {
  const { peer, up } = meet({ ...scripts.windowsClient, ccpLast: true }, { mppe });
  const first = (what: string) => peer.heard.findIndex((one) => one.startsWith(what));
  assert.ok(first('8021 2') >= 0 && first('8021 2') < first('80fd 2'), peer.heard.join('\n'));
  assert.equal(up?.mppe.send?.strength, 128);
});

test('macOS takes all that our side can carry, and no more', () => {
  assert.equal(meet(scripts.macos, { mtu: 1_380 }).up?.mtu, 1_380);
});

test('Android: its MRU is the MTU, compression of headers is rejected, CCP comes first', () => {
  const { peer, up } = meet(scripts.android, { mppe });
  assert.equal(up?.mtu, 1_266);
  assert.ok(peer.told.includes('8021 reject 0206002d0f01'));
  assert.ok(peer.isOpen(IPCP));
  assert.ok(peer.told.includes('8021 nak 03060a630007'));
});

test('pppd, client: comes up with 128 bits, without compression of headers', () => {
  const { peer, up } = meet(scripts.pppdClient, { mppe });
  assert.equal(up?.mtu, 1_496, 'it asks for no MRU');
  assert.equal(up?.asyncMap, 0);
  assert.equal(up?.mppe.send?.strength, 128);
  assert.ok(peer.isOpen(IPCP) && peer.isOpen(IPV6CP));
  assert.ok(peer.told.includes('8021 reject 0206002d0f01'));
  assert.equal(up?.ipv6?.peer, 'fe80::e46b:b66e:8d8c:76a6');
});

test('pppd, server: our client gets its address, and does without name servers', () => {
  const { peer, up } = meet(scripts.pppdServer, { mppe });
  assert.equal(up?.ipv4?.local, '203.0.113.10');
  assert.equal(up?.ipv4?.peer, '203.0.113.1');
  assert.deepEqual(up?.ipv4?.dns, []);
  assert.equal(up?.mtu, 1_396);
  assert.equal(up?.mppe.receive?.strength, 128);
  assert.ok(peer.isOpen(IPV6CP));
});

test('SoftEther: all of our options are rejected, and the link comes up', () => {
  const { peer, up } = meet(scripts.softEther);
  assert.equal(up?.ipv4?.local, '10.99.0.7');
  assert.ok(peer.heard.includes('c021 1: '.concat('01040578')), 'a request without what was rejected');
  assert.equal(up?.addressCompression, false);
});

test('a peer that waits for our requests is asked, and its empty one is acknowledged', () => {
  const { peer, up } = meet(scripts.silent);
  assert.equal(up?.ipv4?.peer, '10.99.0.7');
  assert.ok(peer.heard.includes('c021 2: '));
});

test('a peer that demands callback or another MRU for ever is not asked for ever', () => {
  const stubborn: Script = {
    ...scripts.rras,
    lcp: { ...scripts.rras.lcp, takes: { 1: (option) => ({ nak: option === '01040578' ? '010405dc' : '01040578' }) } },
  };
  const { events } = meet(stubborn);
  const down = events.find((event) => event.kind === 'down');
  assert.match(down?.reason.detail ?? '', /refuses whatever we ask for/);
});

test('a Windows peer ends with its error code in words', () => {
  const meeting = meet(scripts.windowsClient, { mppe });
  meeting.peer.send(0xc021, 5, '39c51a2b003ccd7400000000');
  meeting.pass();
  meeting.peer.send(0xc021, 5, '39c51a2b003ccd7400000000');
  meeting.pass();
  assert.equal(
    meeting.peer.heard.filter((one) => one.startsWith('c021 6')).length,
    2,
    'its repetition is acknowledged',
  );
  meeting.end.session.carrierLost(1_900 as Instant);
  const down = meeting.end.session.pollEvent();
  assert.deepEqual(down?.kind === 'down' && down.reason, {
    cause: 'peer',
    detail: 'the peer said goodbye: normal end (Windows error 0)',
  });
  assert.equal(down?.kind === 'down' && down.goodbye?.windowsError, 0);
});
