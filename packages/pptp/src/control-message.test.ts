import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '@culvert/wire';
import * as fc from 'fast-check';
import { captured, control } from '../test/capture.ts';
import { type ControlMessage, decodeMessage, encodeMessage, MessageType } from './control-message.ts';

test("a real session's messages are understood", () => {
  const common = { version: 0x0100, firmware: 1, hostName: 'local' };
  assert.deepEqual(Object.values(control).map(decodeMessage), [
    { kind: 'startRequest', ...common, framing: 3, bearer: 3, maxChannels: 65_535, vendor: 'cananian' },
    { kind: 'startReply', ...common, result: 1, error: 0, framing: 0, bearer: 0, maxChannels: 1, vendor: 'linux' },
    {
      kind: 'outgoingCallRequest',
      ...{ callId: captured.client, serial: 0, minSpeed: 2_400, maxSpeed: 10_000_000, bearer: 3, framing: 3 },
      ...{ window: 3, delay: 0, phoneNumber: '', subaddress: '' },
    },
    {
      kind: 'outgoingCallReply',
      ...{ callId: captured.server, peerCallId: captured.client, result: 1, error: 0, cause: 0 },
      ...{ speed: 10_000_000, window: 3, delay: 0, physicalChannel: 0 },
    },
    { kind: 'callClearRequest', callId: captured.client },
  ]);
});

test('what we write of a real session is, byte for byte, what the real peers wrote', () => {
  for (const message of Object.values(control)) {
    const decoded = decodeMessage(message);
    assert.ok(decoded.kind !== 'unknown');
    assert.equal(Buffer.from(encodeMessage(decoded)).toString('hex'), Buffer.from(message).toString('hex'));
  }
});

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const text = fc.string({ maxLength: 64, unit: fc.constantFrom(...'abz019.-_Äÿ') });
const outcome = { result: u8, error: u8 };
const introduction = {
  ...{ version: u16, framing: u32, bearer: u32, maxChannels: u16, firmware: u16, hostName: text, vendor: text },
};

/** Every message of RFC 2637, with its length there. */
const messages: Record<ControlMessage['kind'], readonly [length: number, fc.Arbitrary<ControlMessage>]> = {
  startRequest: [156, record('startRequest', introduction)],
  startReply: [156, record('startReply', { ...introduction, ...outcome })],
  stopRequest: [16, record('stopRequest', { reason: u8 })],
  stopReply: [16, record('stopReply', outcome)],
  echoRequest: [16, record('echoRequest', { identifier: u32 })],
  echoReply: [20, record('echoReply', { identifier: u32, ...outcome })],
  outgoingCallRequest: [
    168,
    record('outgoingCallRequest', {
      ...{ callId: u16, serial: u16, minSpeed: u32, maxSpeed: u32, bearer: u32, framing: u32, window: u16, delay: u16 },
      ...{ phoneNumber: text, subaddress: text },
    }),
  ],
  outgoingCallReply: [
    32,
    record('outgoingCallReply', {
      ...{ callId: u16, peerCallId: u16, ...outcome, cause: u16, speed: u32, window: u16, delay: u16 },
      physicalChannel: u32,
    }),
  ],
  incomingCallRequest: [
    220,
    record('incomingCallRequest', {
      ...{ callId: u16, serial: u16, bearer: u32, physicalChannel: u32 },
      ...{ dialledNumber: text, diallingNumber: text, subaddress: text },
    }),
  ],
  incomingCallReply: [
    24,
    record('incomingCallReply', { callId: u16, peerCallId: u16, ...outcome, window: u16, delay: u16 }),
  ],
  incomingCallConnected: [
    28,
    record('incomingCallConnected', { peerCallId: u16, speed: u32, window: u16, delay: u16, framing: u32 }),
  ],
  callClearRequest: [16, record('callClearRequest', { callId: u16 })],
  callDisconnectNotify: [
    148,
    record('callDisconnectNotify', { callId: u16, ...outcome, cause: u16, statistics: text }),
  ],
  wanErrorNotify: [
    40,
    record('wanErrorNotify', {
      ...{ peerCallId: u16, crcErrors: u32, framingErrors: u32, hardwareOverruns: u32, bufferOverruns: u32 },
      ...{ timeouts: u32, alignmentErrors: u32 },
    }),
  ],
  setLinkInfo: [24, record('setLinkInfo', { peerCallId: u16, sendAccm: u32, receiveAccm: u32 })],
};

function record(kind: string, fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<ControlMessage> {
  return fc.record({ kind: fc.constant(kind), ...fields }, { noNullPrototype: true }) as fc.Arbitrary<ControlMessage>;
}

for (const [kind, [length, arbitrary]] of Object.entries(messages)) {
  test(`${kind} has ${length} bytes and comes back as it was`, () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        const bytes = encodeMessage(message);
        assert.equal(bytes.length, length);
        assert.deepEqual(decodeMessage(bytes), message);
      }),
    );
  });
}

/** Bytes without which a message cannot be understood; the rest are texts. */
const fixed: Partial<Record<ControlMessage['kind'], number>> = {
  startRequest: 28,
  startReply: 28,
  outgoingCallRequest: 40,
  incomingCallRequest: 28,
  callDisconnectNotify: 20,
};

test('a message cut short is refused, unless only texts are missing', () => {
  for (const [kind, [length, arbitrary]] of Object.entries(messages)) {
    const [message] = fc.sample(arbitrary, { numRuns: 1, seed: 1 });
    assert.ok(message !== undefined);
    const bytes = encodeMessage(message);
    const needed = fixed[message.kind] ?? length - trailingReserved(message.kind);
    for (let cut = 12; cut < length; cut++) {
      const decode = () => decodeMessage(bytes.subarray(0, cut));
      if (cut < needed) assert.throws(decode, WireError, `${kind} of ${cut} bytes`);
      else assert.equal(decode().kind, kind);
    }
  }
});

/** Reserved bytes at the end, which nothing reads. */
function trailingReserved(kind: ControlMessage['kind']): number {
  if (kind === 'stopRequest') return 3;
  return ['stopReply', 'echoReply', 'incomingCallReply', 'callClearRequest'].includes(kind) ? 2 : 0;
}

test('a text ends at its first NUL, whatever lies behind it, and is fit for a log', () => {
  const bytes = control.startRequest.slice();
  bytes.set(Buffer.from('PC\0rest of old memory'), 28);
  bytes.set(Buffer.from('\u001b[31mred\n'), 92);
  const message = decodeMessage(bytes);
  assert.ok(message.kind === 'startRequest');
  assert.deepEqual([message.hostName, message.vendor], ['PC', ' [31mred ']);
});

test('a number longer than its field is refused', () => {
  const bytes = control.outgoingCallRequest.slice();
  bytes[37] = 65;
  assert.throws(() => decodeMessage(bytes), WireError);
});

test('a text that does not fit is the caller’s fault', () => {
  const vendor = 'x'.repeat(65);
  const message = decodeMessage(control.startRequest);
  assert.ok(message.kind === 'startRequest');
  assert.throws(() => encodeMessage({ ...message, vendor }), RangeError);
});

test('every type has its number', () => {
  assert.deepEqual(
    Object.values(MessageType),
    Array.from({ length: 15 }, (_, i) => i + 1),
  );
  assert.deepEqual(Object.keys(messages), Object.keys(MessageType));
});
