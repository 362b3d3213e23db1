import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callIds, drain, StreamEnds } from '../test/stream-ends.ts';
import type { ControlEvent } from './control-connection.ts';
import { type ControlMessage, decodeMessage, encodeMessage } from './control-message.ts';
import { PacConnection } from './pac-connection.ts';
import { PnsConnection } from './pns-connection.ts';

function connected(options: ConstructorParameters<typeof StreamEnds>[0] = {}): StreamEnds {
  const ends = new StreamEnds(options).run();
  assert.deepEqual([ends.kinds('pns'), ends.kinds('pac')], [['call'], ['call']]);
  return ends;
}

/** One end alone, fed with messages. */
function alone(role: 'pns' | 'pac') {
  const ends = new StreamEnds();
  const end = ends[role];
  const events: ControlEvent[] = [];
  return {
    end,
    events,
    stats: end.stats,
    now: () => ends.clock.now(),
    /** What it answers. */
    say: (...messages: ControlMessage[]): (ControlMessage | { kind: 'unknown' })[] => {
      for (const message of messages) end.handleStream(encodeMessage(message), ends.clock.now());
      return drain(end, events).map(decodeMessage);
    },
    reason: () => events.flatMap((event) => (event.kind === 'closed' ? [event.reason] : []))[0],
  };
}

const introduction = { version: 0x100, framing: 1, bearer: 1, maxChannels: 0, firmware: 0, hostName: '', vendor: '' };
const startRequest: ControlMessage = { kind: 'startRequest', ...introduction };
const startReply: ControlMessage = { kind: 'startReply', ...introduction, result: 1, error: 0 };
const callRequest: ControlMessage = {
  kind: 'outgoingCallRequest',
  ...{ callId: 0, serial: 1, minSpeed: 300, maxSpeed: 100_000_000, bearer: 3, framing: 3, window: 64, delay: 0 },
  ...{ phoneNumber: '', subaddress: '' },
};
const callReply: ControlMessage = {
  kind: 'outgoingCallReply',
  ...{ callId: 0, peerCallId: callIds.pns, result: 1, error: 0, cause: 0, speed: 9, window: 3, delay: 0 },
  physicalChannel: 0,
};

test('a client calls a server: both learn the other call id and window', () => {
  const ends = connected({ pns: { window: 64 }, pac: { window: 16 } });
  const call = (side: 'pns' | 'pac') => ends.events[side].find(({ kind }) => kind === 'call');
  assert.deepEqual(call('pns'), { kind: 'call', callId: callIds.pns, peerCallId: callIds.pac, peerWindow: 16 });
  assert.deepEqual(call('pac'), { kind: 'call', callId: callIds.pac, peerCallId: callIds.pns, peerWindow: 64 });
});

test('a quiet connection is kept by echoes, one a minute and side at most', () => {
  const ends = connected().advance(600_000);
  assert.deepEqual([ends.kinds('pns'), ends.kinds('pac')], [['call'], ['call']]);
  const sent = ends.pns.stats.messagesOut + ends.pac.stats.messagesOut;
  assert.ok(sent >= 6 + 20 && sent <= 6 + 44, `${sent} messages`);
});

test('a peer that stops answering is lost after an interval of silence and one of waiting', () => {
  const ends = connected({ pac: { echoInterval: 20_000 }, pns: { echoInterval: 1e9 } });
  ends.deaf.pac = true;
  ends.advance(39_000);
  assert.deepEqual(ends.kinds('pac'), ['call']);
  ends.advance(2_000);
  assert.match(ends.reason('pac') ?? '', /^lost: .*echo/);
});

for (const [who, other] of [
  ['pns', 'pac'],
  ['pac', 'pns'],
] as const) {
  test(`the ${who} says goodbye: it keeps its reason, the other one hears of a peer that left`, () => {
    const ends = connected();
    ends[who].close({ cause: 'idle', detail: 'no traffic for an hour' }, ends.clock.now());
    ends.run();
    assert.match(ends.reason(who) ?? '', /^idle: no traffic/);
    assert.match(ends.reason(other) ?? '', /^peer: /);
    assert.equal(ends[who].pollTimeout(), undefined);
  });
}

test('a goodbye that nobody answers takes two seconds', () => {
  const ends = connected();
  ends.deaf.pac = true;
  ends.pns.close({ cause: 'operator', detail: 'enough' }, ends.clock.now());
  ends.advance(1_999);
  assert.deepEqual(ends.kinds('pns'), ['call']);
  ends.advance(1);
  assert.match(ends.reason('pns') ?? '', /^operator/);
});

test('the end of the TCP connection is the end, by the peer or by an error', () => {
  const ends = connected();
  ends.pac.handleEnd(undefined);
  ends.pns.handleEnd('ECONNRESET');
  ends.run();
  assert.match(ends.reason('pac') ?? '', /^peer: the peer closed/);
  assert.match(ends.reason('pns') ?? '', /^lost: .*ECONNRESET/);
});

for (const role of ['pns', 'pac'] as const) {
  test(`a ${role} whose peer never makes a call gives up`, () => {
    const ends = new StreamEnds({ [role]: { callDeadline: 5_000 } });
    ends.deaf = { pns: true, pac: true };
    ends.advance(4_999);
    assert.deepEqual(ends.kinds(role), []);
    ends.advance(1);
    assert.match(ends.reason(role) ?? '', /^lost: .*in time/);
  });
}

test('a server answers an unknown version with result 5, and ends', () => {
  const { say, reason } = alone('pac');
  const [reply] = say({ kind: 'startRequest', ...introduction, version: 0x0200 });
  assert.ok(reply?.kind === 'startReply' && reply.result === 5);
  assert.equal(reason()?.cause, 'protocol');
});

test('a client takes results 0 and 1 for yes, a server with another version or result for no', () => {
  for (const result of [0, 1]) {
    const { say } = alone('pns');
    const answers = say({ ...startReply, result }, { ...callReply, result });
    const kinds = answers.map((answer) => answer.kind);
    assert.deepEqual(kinds, ['startRequest', 'outgoingCallRequest', 'setLinkInfo']);
  }
  const results = [
    [{ ...startReply, result: 4 }, 'refused', /not authorized/],
    [{ ...startReply, result: 2, error: 4 }, 'protocol', /out of resources/],
    [{ ...startReply, version: 0x0300 }, 'protocol', /version 3\.0/],
  ] as const;
  for (const [message, cause, detail] of results) {
    const { say, reason } = alone('pns');
    say(message);
    assert.equal(reason()?.cause, cause);
    assert.match(reason()?.detail ?? '', detail);
  }
});

test('a refused call tells its reason', () => {
  const { say, reason } = alone('pns');
  say(startReply, { ...callReply, result: 4 });
  assert.deepEqual([reason()?.cause, /busy/.test(reason()?.detail ?? '')], ['refused', true]);
});

test('call id 0 is valid on either side', () => {
  const server = alone('pac');
  assert.deepEqual(
    server.say(startRequest, callRequest).map(({ kind }) => kind),
    ['startReply', 'outgoingCallReply'],
  );
  assert.ok(server.events.some((event) => event.kind === 'call' && event.peerCallId === 0));
  const client = alone('pns');
  client.say(startReply, callReply);
  assert.ok(client.events.some((event) => event.kind === 'call' && event.peerCallId === 0));
});

test('a reply to a call that is not ours is not ours', () => {
  const { say, events, stats } = alone('pns');
  say(startReply, { ...callReply, peerCallId: 1 });
  assert.deepEqual([events.filter(({ kind }) => kind === 'call').length, stats.unexpected], [0, 1]);
});

test('a call before the start is refused as without connection, and one under the id of another as a wrong id', () => {
  const { say, stats, reason } = alone('pac');
  const [early, , first, again] = say(callRequest, startRequest, callRequest, callRequest);
  assert.ok(early?.kind === 'outgoingCallReply' && early.result === 2 && early.error === 1);
  assert.ok(first?.kind === 'outgoingCallReply' && first.result === 1 && first.callId === callIds.pac);
  assert.ok(again?.kind === 'outgoingCallReply' && again.result === 2 && again.error === 5);
  assert.deepEqual([stats.unexpected, reason()], [2, undefined]);
});

test('calls in the wrong direction are refused with result 2', () => {
  const incoming: ControlMessage = {
    kind: 'incomingCallRequest',
    ...{ callId: 8, serial: 0, bearer: 1, physicalChannel: 0, dialledNumber: '', diallingNumber: '', subaddress: '' },
  };
  for (const role of ['pns', 'pac'] as const) {
    const answers = alone(role).say(incoming);
    assert.ok(answers.some((m) => m.kind === 'incomingCallReply' && m.result === 2 && m.peerCallId === 8));
  }
  assert.ok(
    alone('pns')
      .say(callRequest)
      .some((m) => m.kind === 'outgoingCallReply' && m.result === 2),
  );
});

test('a second introduction is told that the connection exists', () => {
  const answers = alone('pac').say(startRequest, startRequest);
  assert.deepEqual(
    answers.map((m) => m.kind === 'startReply' && m.result),
    [1, 3],
  );
});

test('a server answers Call-Clear-Request with Call-Disconnect-Notify under its own call id', () => {
  const { say, reason } = alone('pac');
  const notify = say(startRequest, callRequest, { kind: 'callClearRequest', callId: 0 }).at(-1);
  assert.ok(notify?.kind === 'callDisconnectNotify' && notify.callId === callIds.pac && notify.result === 4);
  assert.equal(reason()?.cause, 'peer');
});

test('a client takes any result of Call-Disconnect-Notify for the end, also 0 as Windows sends it', () => {
  for (const result of [0, 1, 3, 99]) {
    const { say, reason } = alone('pns');
    say(startReply, callReply, { kind: 'callDisconnectNotify', callId: 0, result, error: 0, cause: 0, statistics: '' });
    assert.equal(reason()?.cause, 'peer');
  }
});

test('Set-Link-Info, WAN-Error-Notify and messages of no known type change nothing; echoes are always answered', () => {
  const { say, end, stats, now } = alone('pac');
  say(startRequest, callRequest);
  const unknown = encodeMessage({ kind: 'callClearRequest', callId: 0 });
  unknown[9] = 77;
  end.handleStream(unknown, now());
  const counts = {
    crcErrors: 1,
    framingErrors: 0,
    hardwareOverruns: 0,
    bufferOverruns: 0,
    timeouts: 0,
    alignmentErrors: 0,
  };
  const answers = say(
    { kind: 'setLinkInfo', peerCallId: callIds.pac, sendAccm: 0xffffffff, receiveAccm: 0 },
    { kind: 'wanErrorNotify', peerCallId: callIds.pac, ...counts },
    { kind: 'echoRequest', identifier: 0xdeadbeef },
  );
  assert.deepEqual(answers, [{ kind: 'echoReply', identifier: 0xdeadbeef, result: 1, error: 0 }]);
  assert.deepEqual([stats.unknown, stats.wanErrors, stats.unexpected], [1, 1, 0]);
});

test('a message cut short or without its cookie ends the connection, as a fault of the peer', () => {
  for (const spoil of [(m: Uint8Array) => m.subarray(0, 14), (m: Uint8Array) => m.with(4, 0)]) {
    const { end, events, now } = alone('pac');
    const message = spoil(encodeMessage(startRequest)).slice();
    if (message.length < 100) message[1] = message.length;
    end.handleStream(message, now());
    drain(end, events);
    assert.ok(events.some((event) => event.kind === 'closed' && event.reason.cause === 'protocol'));
    assert.equal(end.stats.malformed, 1);
  }
});

test('a peer that asks and does not read is cut off; nothing grows', () => {
  const { end, events, now } = alone('pac');
  const flood = Buffer.concat(
    Array.from({ length: 4_096 }, () => encodeMessage({ kind: 'echoRequest', identifier: 1 })),
  );
  end.handleStream(flood, now());
  const waiting = drain(end, events).length;
  assert.ok(waiting <= 64, `${waiting} answers`);
  assert.equal(events.filter(({ kind }) => kind === 'closed').length, 1);
});

test('a call id that is no 16-bit number is the caller’s fault', () => {
  const now = new StreamEnds().clock.now();
  for (const callId of [-1, 0x1_0000, 1.5, Number.NaN]) {
    const pac = new PacConnection({ nextCallId: () => callId, now });
    pac.handleStream(encodeMessage(startRequest), now);
    assert.throws(() => pac.handleStream(encodeMessage(callRequest), now), RangeError);
    assert.throws(() => new PnsConnection({ callId, serial: 0, now }), RangeError);
  }
});
