/** Several calls on one control connection: each has its ids and its end, and the connection ends with the last. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '@culvert/testkit';
import { control } from '../test/capture.ts';
import { drain, idsFrom } from '../test/stream-ends.ts';
import type { ControlEvent } from './control-connection.ts';
import { type ControlMessage, decodeMessage, encodeMessage } from './control-message.ts';
import { PacConnection, type PacOptions } from './pac-connection.ts';

const FIRST = 0x2222;
const SECOND = FIRST + 1;
/** A server's end that pptp-linux has introduced itself to. */
function started(options: Partial<PacOptions> = {}) {
  const clock = new VirtualClock();
  const pac = new PacConnection({ nextCallId: idsFrom(FIRST), now: clock.now(), ...options });
  const events: ControlEvent[] = [];
  const hear = (...messages: readonly Uint8Array[]): (ControlMessage | { kind: 'unknown' })[] => {
    for (const message of messages) pac.handleStream(message, clock.now());
    return drain(pac, events).map(decodeMessage);
  };
  hear(control.startRequest);
  /** What was told since the last time, but for notes. */
  const told = (): string[] => {
    const some = events.splice(0).filter(({ kind }) => kind !== 'note');
    return some.map((e) => (e.kind === 'call' || e.kind === 'ended' ? `${e.kind} ${e.callId - FIRST}` : e.kind));
  };
  return { pac, clock, hear, told };
}

/** pptp-linux's Outgoing-Call-Request under another id: what its call manager sends for a further process. */
function callAs(callId: number): Uint8Array {
  const request = control.outgoingCallRequest.slice();
  new DataView(request.buffer).setUint16(12, callId);
  return request;
}

function clearOf(callId: number): Uint8Array {
  const request = control.callClearRequest.slice();
  new DataView(request.buffer).setUint16(12, callId);
  return request;
}

test('two processes of pptp-linux share a connection: two calls, each with its own ids, and either ends alone', () => {
  const { hear, told, pac } = started();
  const replies = hear(control.outgoingCallRequest, callAs(0x0107));
  const ids = replies.map(
    (reply) => reply.kind === 'outgoingCallReply' && [reply.result, reply.callId, reply.peerCallId],
  );
  assert.deepEqual(ids, [
    [1, FIRST, 0xf8e4],
    [1, SECOND, 0x0107],
  ]);
  assert.deepEqual(told(), ['call 0', 'call 1']);

  const [notify, ...nothing] = hear(control.callClearRequest);
  assert.ok(notify?.kind === 'callDisconnectNotify' && notify.callId === FIRST && notify.result === 4);
  assert.deepEqual([nothing, told()], [[], ['ended 0']]);

  // The one that goes on is as good as before: it is asked and heard.
  assert.deepEqual(hear(encodeMessage({ kind: 'echoRequest', identifier: 7 })).length, 1);
  const last = hear(clearOf(0x0107)).at(-1);
  assert.ok(last?.kind === 'callDisconnectNotify' && last.callId === SECOND);
  assert.deepEqual(told(), ['ended 1', 'closed']);
  assert.equal(pac.pollTimeout(), undefined);
});

test('an id that went may come back for a new call', () => {
  const { hear, told } = started();
  hear(control.outgoingCallRequest, callAs(1), control.callClearRequest);
  const [reply] = hear(control.outgoingCallRequest);
  assert.ok(reply?.kind === 'outgoingCallReply' && reply.callId === FIRST + 2);
  assert.deepEqual(told(), ['call 0', 'call 1', 'ended 0', 'call 2']);
});

test('we end one call of two with Call-Disconnect-Notify alone, and the last one with the connection', () => {
  const { hear, told, pac, clock } = started();
  hear(control.outgoingCallRequest, callAs(1));
  told();
  pac.closeCall(SECOND, { cause: 'idle', detail: 'no traffic' }, clock.now());
  const [notify, ...nothing] = hear();
  assert.ok(notify?.kind === 'callDisconnectNotify' && notify.callId === SECOND && notify.result === 3);
  assert.deepEqual([nothing, told()], [[], ['ended 1']]);
  pac.closeCall(SECOND, { cause: 'idle', detail: 'again' }, clock.now());
  assert.deepEqual(hear(), [], 'it has ended already');
  pac.closeCall(FIRST, { cause: 'idle', detail: 'no traffic' }, clock.now());
  assert.deepEqual(
    hear().map(({ kind }) => kind),
    ['callDisconnectNotify', 'stopRequest'],
  );
  pac.handleTimeout(clock.advance(2_000));
  hear();
  assert.deepEqual(told(), ['ended 0', 'closed']);
});

for (const [how, end] of [
  ['the end of TCP', ({ pac }: ReturnType<typeof started>) => pac.handleEnd(undefined)],
  [
    'Stop-Control-Connection-Request',
    ({ hear }: ReturnType<typeof started>) => hear(encodeMessage({ kind: 'stopRequest', reason: 1 })),
  ],
  ['a broken message', ({ hear }: ReturnType<typeof started>) => hear(new Uint8Array(16))],
] as const) {
  test(`${how} ends all calls, then the connection`, () => {
    const all = started();
    all.hear(control.outgoingCallRequest, callAs(1));
    all.told();
    end(all);
    all.hear();
    assert.deepEqual(all.told(), ['ended 0', 'ended 1', 'closed']);
  });
}

test('a goodbye of ours names every call', () => {
  const { hear, pac, clock } = started();
  hear(control.outgoingCallRequest, callAs(1));
  pac.close({ cause: 'shutdown', detail: 'enough' }, clock.now());
  const said = hear().map((m) => (m.kind === 'callDisconnectNotify' ? m.callId : m.kind));
  assert.deepEqual(said, [FIRST, SECOND, 'stopRequest']);
});

test('calls are bounded: one too many is busy, and one that the owner has no id for lacks resources', () => {
  const { hear, told } = started({ maxCalls: 2 });
  const full = hear(callAs(1), callAs(2), callAs(3)).at(-1);
  assert.ok(full?.kind === 'outgoingCallReply' && full.result === 4 && full.callId === 0 && full.peerCallId === 3);
  hear(clearOf(1));
  const after = hear(callAs(3)).at(-1);
  assert.ok(after?.kind === 'outgoingCallReply' && after.result === 1);
  assert.deepEqual(told(), ['call 0', 'call 1', 'ended 0', 'call 2']);

  const without = started({ nextCallId: () => undefined });
  const [refused] = without.hear(callAs(1));
  assert.ok(refused?.kind === 'outgoingCallReply' && refused.result === 2 && refused.error === 4);
  assert.deepEqual(without.told(), []);
});

test('a call that is asked for behind more questions than are answered ends with the connection, and none comes after', () => {
  const { hear, told } = started();
  const echo = encodeMessage({ kind: 'echoRequest', identifier: 7 });
  hear(callAs(1), ...Array.from({ length: 63 }, () => echo), callAs(2), callAs(3));
  assert.deepEqual(told(), ['call 0', 'call 1', 'ended 0', 'ended 1', 'closed']);
});

test('with several calls a message that names none of them is nobody’s', () => {
  const { hear, told, pac } = started();
  hear(callAs(1), callAs(2));
  told();
  const errors = {
    crcErrors: 1,
    framingErrors: 0,
    hardwareOverruns: 0,
    bufferOverruns: 0,
    timeouts: 0,
    alignmentErrors: 0,
  };
  for (const peerCallId of [FIRST, SECOND, 1]) {
    hear(encodeMessage({ kind: 'setLinkInfo', peerCallId, sendAccm: 0, receiveAccm: 0 }));
    hear(encodeMessage({ kind: 'wanErrorNotify', peerCallId, ...errors }));
  }
  assert.deepEqual([pac.stats.unexpected, pac.stats.wanErrors], [2, 2]);
  // Ours, not the client's: with a single call it would be taken for that.
  assert.deepEqual(hear(clearOf(FIRST)), []);
  assert.deepEqual([told(), pac.stats.unexpected], [[], 3]);
  hear(clearOf(1));
  assert.equal(hear(clearOf(SECOND)).length, 1);
  assert.deepEqual(told(), ['ended 0', 'ended 1', 'closed']);
});
