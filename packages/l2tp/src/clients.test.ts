/** Scripted peers, which share no encoder with us, against the LNS; and xl2tpd's packets as they were captured. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { xl2tpd } from '../test/capture.ts';
import { avp, bytes, hexOf, latin, md5, message, packet, u16, u32 } from '../test/encoder.ts';
import { End, operator } from '../test/ends.ts';
import { clients, parse, ScriptedLac } from '../test/peer.ts';

for (const [name, client] of Object.entries(clients)) {
  test(`${name} calls, sends frames and hangs up`, () => {
    const end = new End();
    const lac = new ScriptedLac(end);
    lac.call(client, 7, 9);
    const [session] = end.sessions;
    assert.ok(session);
    assert.equal(session.peerId, 9);
    assert.deepEqual(
      lac.heard.filter(({ kind }) => kind !== 0).map(({ kind }) => kind),
      [2, 11],
    );
    assert.ok(lac.heard.every(({ tunnelId }) => tunnelId === 7));
    const up = end.events.find((event) => event.kind === 'session');
    const hosts = { windows: 'DESKTOP-1', macos: 'mac.local', android: 'anonymous', mikrotik: 'MikroTik' } as const;
    assert.equal(up?.kind === 'session' && up.peer.hostName, hosts[name as keyof typeof hosts]);

    lac.raw(bytes(`4002000e${u16(lac.serverTunnel)}${u16(lac.serverSession)}ff0300210007`));
    lac.raw(bytes(`0002${u16(lac.serverTunnel)}${u16(lac.serverSession)}ff0300210008`));
    assert.deepEqual(end.numbers, [7, 8]);
    assert.equal(hexOf(end.wrapped(session, [5])[0] ?? bytes('')), '4002000e00070009ff0300210005');

    lac.say(message(14, avp(1, '0003'), avp(14, u16(9))), lac.serverSession);
    assert.deepEqual(end.reasons, ['the peer hung up: for administrative reasons (result 3, error 0)']);
    lac.say(message(4, avp(9, u16(7)), avp(1, '0001')));
    assert.equal(lac.heard.at(-1)?.nr, lac.ns, 'acknowledged');
    const again = lac.heard.length;
    lac.raw(packet(lac.serverTunnel, 0, lac.ns - 1, lac.nr, message(4, avp(9, u16(7)), avp(1, '0001'))));
    lac.take();
    assert.equal(lac.heard.length, again + 1, 'a duplicate after the end is acknowledged');
    end.handleTimeout((end.now + 31_000) as Instant);
    end.drain();
    assert.equal(end.machine.tunnelCount, 0);
    assert.equal(end.pollTimeout(), undefined);
  });
}

test("xl2tpd's own packets bring a session up, and end it", () => {
  const end = new End();
  const heard = () => end.drain().map(({ datagram }) => parse(datagram));
  end.hear([xl2tpd.sccrq]);
  const [sccrp] = heard();
  assert.deepEqual([sccrp?.kind, sccrp?.tunnelId, sccrp?.ns, sccrp?.nr], [2, 0x5a6f, 0, 1]);
  const tunnel = Number.parseInt(sccrp?.avps.get(9) ?? '', 16);
  let session = 0;
  const to = (captured: Uint8Array, sessionId: number) => {
    const copy = captured.slice();
    new DataView(copy.buffer).setUint16(4, tunnel);
    new DataView(copy.buffer).setUint16(6, sessionId);
    return copy;
  };
  end.hear([to(xl2tpd.scccn, 0)]);
  assert.deepEqual(
    heard().map(({ kind }) => kind),
    [0],
  );
  end.hear([to(xl2tpd.icrq, 0)]);
  const [icrp] = heard();
  assert.deepEqual([icrp?.kind, icrp?.sessionId], [11, 0xecb1]);
  session = Number.parseInt(icrp?.avps.get(14) ?? '', 16);
  end.hear([to(xl2tpd.iccn, session), to(xl2tpd.zlb, session)]);
  assert.equal(end.sessions.length, 1);
  heard();
  end.hear([to(xl2tpd.cdn, session), to(xl2tpd.stopccn, 0)]);
  assert.deepEqual(end.reasons, ['the peer hung up: lost carrier (result 1, error 0)']);
  assert.equal(end.sessions.length, 0);
});

test('Android hears one thing at a time, and only what follows on its own acknowledgement', () => {
  const end = new End();
  const lac = new ScriptedLac(end);
  lac.call(clients.android, 3, 4);
  end.machine.close(end.sessions[0] ?? assert.fail(), operator, end.now);
  end.machine.shutdown(operator, end.now);
  lac.take();
  assert.equal(lac.heard.at(-1)?.kind, 14);
  lac.zlb();
  assert.equal(lac.heard.at(-1)?.kind, 4, 'StopCCN waits until CDN is acknowledged');
});

test('many clients with equal ids behind one NAT are told apart by their carriers', () => {
  const end = new End();
  const lacs = Array.from({ length: 20 }, (_, n) => new ScriptedLac(end, `sa ${n}`));
  for (const lac of lacs) lac.call(clients.windows, 1, 1);
  assert.equal(end.sessions.length, 20);
  const [first, second] = lacs;
  const stray = bytes(`0002${u16(first?.serverTunnel ?? 0)}${u16(first?.serverSession ?? 0)}ff0300210007`);
  second?.raw(stray);
  assert.equal(end.frames.length, 0);
  assert.equal(end.machine.stats.unknownTunnel, 1);
  first?.raw(stray);
  assert.equal(end.frames[0]?.session, end.sessions[0]);
});

test('a CDN with session id 0 is looked up, a StopCCN with a wrong tunnel id is believed', () => {
  const end = new End();
  const lac = new ScriptedLac(end);
  lac.call(clients.windows, 7, 9);
  lac.say(message(14, avp(1, '0001'), avp(14, u16(9))), 0);
  assert.equal(end.sessions.length, 0);
  lac.say(clients.windows.icrq(10));
  lac.say(clients.windows.iccn, lac.serverSession);
  assert.equal(end.sessions.length, 1);
  lac.say(message(4, avp(9, u16(0x7777)), avp(1, '0006')));
  assert.match(end.reasons.at(-1) ?? '', /it shuts down/);
});

test('outgoing calls, further calls and calls before the tunnel is up are refused', () => {
  const end = new End({ sessionsPerTunnel: 2 });
  const lac = new ScriptedLac(end);
  lac.call(clients.windows, 7, 9);
  lac.say(message(7, avp(14, u16(20)), avp(15, u32(1))));
  assert.deepEqual([lac.heard.at(-1)?.kind, lac.heard.at(-1)?.sessionId], [14, 20]);
  assert.match(lac.heard.at(-1)?.avps.get(1) ?? '', /^0005/);
  lac.say(clients.windows.icrq(10));
  lac.say(clients.windows.icrq(11));
  assert.deepEqual([lac.heard.at(-1)?.kind, lac.heard.at(-1)?.avps.get(1)], [14, '00040000']);
  const early = new ScriptedLac(new End());
  early.say(clients.windows.sccrq(1));
  early.say(clients.windows.icrq(1));
  assert.equal(early.heard.at(-1)?.kind, 0);
});

test('a call that is refused is told so with a session id of ours that no call has, as the CDN of RFC 2661 must have', () => {
  const end = new End({ sessionsPerTunnel: 1 });
  const lac = new ScriptedLac(end);
  lac.call(clients.windows, 7, 9);
  for (const refused of [
    message(7, avp(14, u16(20)), avp(15, u32(1))),
    clients.windows.icrq(10),
    message(10, avp(14, u16(11)), avp(99, '00')),
  ]) {
    lac.say(refused);
    const { kind, avps } = lac.heard.at(-1) ?? assert.fail();
    assert.equal(kind, 14);
    const id = Number.parseInt(avps.get(14) ?? '', 16);
    assert.ok(id > 0 && id !== lac.serverSession, `${id}`);
  }
  assert.equal(end.sessions.length, 1);
});

test('a mandatory attribute that nobody knows ends its session or tunnel, with error 8', () => {
  const end = new End();
  const lac = new ScriptedLac(end);
  lac.call(clients.windows, 7, 9);
  lac.say(message(10, avp(14, u16(11)), avp(99, '00')));
  assert.deepEqual([lac.heard.at(-1)?.kind, lac.heard.at(-1)?.sessionId], [14, 11]);
  assert.match(lac.heard.at(-1)?.avps.get(1) ?? '', /^00020008/);
  assert.equal(end.sessions.length, 1, 'the other call goes on');
  lac.say(message(6, avp(99, '00')));
  assert.equal(lac.heard.at(-1)?.kind, 4);
  assert.match(end.reasons[0] ?? '', /attribute 0\/99/);
});

test('tunnel authentication goes both ways, and fails with words', () => {
  const secret = Buffer.from('tiger');
  const challenge = '11'.repeat(32);
  const run = (answerWith: string) => {
    const end = new End({ secret });
    const lac = new ScriptedLac(end);
    lac.say(message(1, avp(2, '0100'), avp(9, u16(5)), avp(10, u16(1)), avp(11, challenge)));
    const sccrp = lac.heard[0];
    assert.equal(sccrp?.avps.get(13), md5(`02${latin('tiger')}${challenge}`).toString('hex'));
    const response = md5(`03${latin(answerWith)}${sccrp?.avps.get(11)}`).toString('hex');
    lac.say(message(3, avp(13, response)));
    return { end, lac };
  };
  const good = run('tiger');
  good.lac.say(clients.android.icrq(1));
  assert.equal(good.lac.heard.at(-1)?.kind, 11);
  const bad = run('lion');
  assert.deepEqual([bad.lac.heard.at(-1)?.kind, bad.lac.heard.at(-1)?.avps.get(1)], [4, '00040000']);
  const none = new End();
  const lac = new ScriptedLac(none);
  lac.say(message(1, avp(9, u16(5)), avp(11, challenge)));
  assert.equal(lac.heard.at(-1)?.kind, 4);
});

test('frames before ICCN wait a second, and not more than a few', () => {
  for (const [late, expected] of [
    [0, [1, 2, 3, 4, 5, 6, 7, 8]],
    [1_500, []],
  ] as const) {
    const end = new End();
    const lac = new ScriptedLac(end);
    lac.say(clients.windows.sccrq(7));
    lac.say(message(3));
    lac.say(clients.windows.icrq(9));
    const head = `0002${u16(lac.serverTunnel)}${u16(lac.serverSession)}ff030021`;
    for (let n = 1; n < 20; n++) lac.raw(bytes(head + u16(n)));
    assert.deepEqual(end.numbers, []);
    end.now = (end.now + late) as Instant;
    lac.say(clients.windows.iccn, lac.serverSession);
    assert.deepEqual(end.numbers, expected);
  }
});

test('messages out of place are counted, and told of a few times', () => {
  const end = new End();
  const lac = new ScriptedLac(end);
  lac.call(clients.windows, 7, 9);
  for (let n = 0; n < 20; n++) lac.say(message(3));
  assert.equal(end.machine.stats.unexpected, 20);
  const told = end.events.filter((e) => e.kind === 'note' && e.message.includes('not expected'));
  assert.equal(told.length, 8);
});

test('data is numbered where ICCN asks for it, and late frames are dropped', () => {
  const end = new End();
  const lac = new ScriptedLac(end);
  lac.call({ ...clients.windows, iccn: clients.windows.iccn + avp(39, '') }, 7, 9);
  const session = end.sessions[0] ?? assert.fail();
  assert.deepEqual(end.wrapped(session, [1, 2]).map(hexOf), [
    '480200120007000900000000ff0300210001',
    '480200120007000900010000ff0300210002',
  ]);
  const head = `0802${u16(lac.serverTunnel)}${u16(lac.serverSession)}`;
  for (const n of [0xfffe, 0xffff, 1, 0, 2]) lac.raw(bytes(`${head}${u16(n)}0000ff030021${u16(n)}`));
  assert.deepEqual(end.numbers, [0xfffe, 0xffff, 1, 2]);
  assert.deepEqual([session.stats.late, session.stats.lost], [1, 1]);
});

test('strangers get no answer, and cost nothing that stays', () => {
  const end = new End({ halfOpen: 3 });
  const zero = bytes('c802000c0000000000000000');
  for (const hostile of [
    bytes('0002000700090000ff'),
    bytes('c803000c0007000000000000'),
    zero,
    bytes('c8'),
    xl2tpd.cdn,
  ]) {
    end.hear([hostile]);
    assert.deepEqual(end.drain(), []);
  }
  assert.equal(end.machine.tunnelCount, 0);
  for (let n = 1; n <= 10; n++) new ScriptedLac(end, n).say(clients.windows.sccrq(n));
  assert.equal(end.machine.tunnelCount, 3);
  assert.equal(end.machine.stats.refused, 7);
  const late = new ScriptedLac(end, 11);
  late.call(clients.windows, 11, 9);
  assert.equal(end.sessions.length, 1, 'who finishes what it began gets in');
  const one = new End();
  for (let n = 1; n <= 10; n++) new ScriptedLac(one).say(clients.windows.sccrq(n));
  assert.equal(one.machine.tunnelCount, 4, 'of one carrier');
});

test('who fills the tunnels and uses none makes room for others: its oldest without a call goes', () => {
  const end = new End({ tunnels: 6, sourceOf: (carrier) => `${carrier}`.split(' ')[0] ?? '' });
  const lacs = ['a 1', 'b 1', 'b 2', 'b 3', 'b 4', 'b 5', 'c 1', 'c 2'].map((name) => new ScriptedLac(end, name));
  const [user, ...others] = lacs;
  user?.call(clients.windows, 1, 9);
  for (const lac of others) {
    lac.say(clients.windows.sccrq(1));
    lac.say(message(3));
  }
  assert.equal(end.machine.tunnelCount, 6);
  assert.equal(end.sessions.length, 1, 'a call keeps its place');
  const isUp = (lac: ScriptedLac) => {
    const before = end.machine.stats.unknownTunnel;
    lac.say(message(6));
    return end.machine.stats.unknownTunnel === before;
  };
  assert.deepEqual(lacs.map(isUp), [true, false, false, true, true, true, true, true]);
});

test('who begins many tunnels and finishes none shortens the time of nobody else', () => {
  const end = new End({ halfOpen: 4, sourceOf: (carrier) => `${carrier}`.split(' ')[0] ?? '' });
  const one = new ScriptedLac(end, 'a 1');
  one.say(clients.windows.sccrq(1));
  for (let n = 1; n <= 20; n++) new ScriptedLac(end, `b ${n}`).say(clients.windows.sccrq(1));
  one.say(message(3));
  one.say(clients.windows.icrq(9));
  assert.equal(one.heard.at(-1)?.kind, 11, 'ICRP');
});

test('tunnels that all carry calls are not given up: more are refused', () => {
  const end = new End({ tunnels: 3 });
  for (let n = 1; n <= 4; n++) new ScriptedLac(end, n).call(clients.windows, n, 9);
  assert.equal(end.sessions.length, 3);
  assert.equal(end.machine.stats.refused, 1);
});

test('our LAC calls the xl2tpd that was captured', () => {
  const end = new End();
  const session = end.machine.dial('wire', end.now) ?? assert.fail();
  const [sccrq] = end.drain().map(({ datagram }) => parse(datagram));
  assert.deepEqual([sccrq?.kind, sccrq?.tunnelId, sccrq?.ns, sccrq?.avps.get(2)], [1, 0, 0, '0100']);
  const tunnel = Number.parseInt(sccrq?.avps.get(9) ?? '', 16);
  const to = (captured: Uint8Array, sessionId: number) => {
    const copy = captured.slice();
    new DataView(copy.buffer).setUint16(4, tunnel);
    new DataView(copy.buffer).setUint16(6, sessionId);
    return copy;
  };
  end.hear([to(xl2tpd.sccrp, 0)]);
  const flight = end.drain().map(({ datagram }) => parse(datagram));
  assert.deepEqual(
    flight.map(({ kind, tunnelId, ns, nr }) => [kind, tunnelId, ns, nr]),
    [
      [3, 0x7c7f, 1, 1],
      [10, 0x7c7f, 2, 1],
    ],
  );
  end.hear([to(xl2tpd.icrp, session.localId)]);
  const [iccn] = end.drain().map(({ datagram }) => parse(datagram));
  assert.deepEqual([iccn?.kind, iccn?.sessionId, iccn?.ns, iccn?.nr], [12, 0xde7e, 3, 2]);
  assert.deepEqual(end.sessions, [session]);
  assert.equal(hexOf(end.wrapped(session, [9])[0] ?? bytes('')), '4002000e7c7fde7eff0300210009');
});
