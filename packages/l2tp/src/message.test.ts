import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '@culvert/wire';
import fc from 'fast-check';
import { xl2tpd } from '../test/capture.ts';
import { avp, bytes, hide, latin, md5, message, u16, u32 } from '../test/encoder.ts';
import { challengeResponse, isResponse, Responder } from './challenge.ts';
import { decodeControl } from './header.ts';
import { type ControlMessage, decodeMessage, encodeMessage, messageKinds } from './message.ts';
import { callText, stopText } from './result.ts';

const read = (text: string, secret?: string) =>
  decodeMessage(bytes(text), secret === undefined ? undefined : Buffer.from(secret));
const said = (packet: Uint8Array) => decodeMessage(decodeControl(packet).body).message;

test('what xl2tpd says is understood, and written byte for byte', () => {
  const introduction = {
    protocolVersion: 0x0100,
    framingCapabilities: 3,
    bearerCapabilities: 0,
    firmware: 0x0690,
    hostName: 'c',
    vendorName: 'xelerance.com',
    receiveWindow: 4,
  };
  assert.deepEqual(said(xl2tpd.sccrq), { kind: 'SCCRQ', ...introduction, assignedTunnelId: 0x5a6f });
  assert.deepEqual(said(xl2tpd.sccrp), { kind: 'SCCRP', ...introduction, hostName: 's', assignedTunnelId: 0x7c7f });
  assert.deepEqual(said(xl2tpd.scccn), { kind: 'SCCCN' });
  assert.deepEqual(said(xl2tpd.icrq), {
    kind: 'ICRQ',
    assignedSessionId: 0xecb1,
    callSerialNumber: 1,
    bearerType: 0,
  });
  assert.deepEqual(said(xl2tpd.icrp), { kind: 'ICRP', assignedSessionId: 0xde7e });
  assert.deepEqual(said(xl2tpd.iccn), { kind: 'ICCN', txSpeed: 0, framingType: 1, rxSpeed: 0 });
  const asked = { result: 1, error: 0, message: '' };
  assert.deepEqual(said(xl2tpd.cdn), { kind: 'CDN', resultCode: asked, assignedSessionId: 0xecb1 });
  const goodbye = { ...asked, message: 'Goodbye!' };
  assert.deepEqual(said(xl2tpd.stopccn), { kind: 'StopCCN', assignedTunnelId: 0x5a6f, resultCode: goodbye });
  for (const captured of [xl2tpd.scccn, xl2tpd.icrq, xl2tpd.icrp]) {
    const { body } = decodeControl(captured);
    const { message } = decodeMessage(body);
    assert.ok(message);
    assert.deepEqual(encodeMessage(message), body);
  }
});

test('each kind of message goes there and back', () => {
  const number = (max: number) => fc.integer({ min: 1, max });
  const text = fc.string({ maxLength: 60 }).filter((t) => /^[ -~]*$/.test(t));
  const values = fc.record({
    assignedTunnelId: number(0xffff),
    assignedSessionId: number(0xffff),
    hostName: text,
    txSpeed: number(0xffff_ffff),
    tieBreaker: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    challenge: fc.uint8Array({ maxLength: 64 }),
    sequencingRequired: fc.constant(true as const),
    resultCode: fc.record({ result: number(0xff), error: number(0xff), message: text }, { noNullPrototype: true }),
    accm: fc.uint8Array({ minLength: 10, maxLength: 10 }),
    callErrors: fc.uint8Array({ minLength: 26, maxLength: 26 }),
  });
  assert.equal(messageKinds.length, 14);
  for (const kind of messageKinds) {
    fc.assert(
      fc.property(values, (rest) => {
        const message = { kind, ...rest } as ControlMessage;
        assert.deepEqual(decodeMessage(encodeMessage(message)), {
          message,
          ofSession: kinds.includes(kind),
          problem: undefined,
        });
      }),
      { numRuns: 30 },
    );
  }
});
const kinds: readonly string[] = ['OCRQ', 'OCRP', 'OCCN', 'ICRQ', 'ICRP', 'ICCN', 'CDN', 'WEN', 'SLI'];

test('an unknown attribute ends what it belongs to when it is mandatory, and is passed over when not', () => {
  const icrq = message(10, avp(14, u16(7)));
  assert.equal(read(icrq + avp(99, '00', 0)).problem, undefined);
  assert.equal(read(icrq + avp(1, '00', 0, 9)).problem, undefined);
  assert.deepEqual(read(icrq + avp(99, '00')).problem, { error: 8, text: 'attribute 0/99' });
  assert.equal(read(icrq + avp(1, '00', 8, 9)).problem?.error, 8);
  assert.equal(read(icrq + avp(1, '11'.repeat(16), 0, 311)).problem, undefined, 'Windows');
  assert.equal(read(icrq + avp(99, '00')).message?.assignedSessionId, 7, 'whom to answer is known');
  assert.equal(read(message(10, avp(14, u16(7)), avp(15, u32(1)).replace(/^8/, '9'))).problem?.error, 8, 'reserved');
});

test('wrong lengths and missing attributes are told', () => {
  assert.equal(read(message(10, avp(14, '07'))).problem?.error, 2);
  assert.equal(read(message(10, avp(14, u16(7)), avp(25, '07', 0))).problem, undefined, 'not mandatory, so ignored');
  assert.deepEqual(read(message(10)).problem, { error: 3, text: 'ICRQ has no assignedSessionId' });
  assert.equal(read(message(1, avp(9, u16(0)))).message, undefined, 'tunnel 0 is none');
  assert.equal(read(message(77)).problem?.error, 8);
  assert.equal(read(avp(0, u16(77), 0)).problem, undefined);
});

test('AVPs that cannot be told apart are refused, and so are too many', () => {
  for (const text of ['8005000000000001', '80ff000000000001', `${avp(9, u16(1))}`, '8007000000000100', '80', '']) {
    assert.throws(() => read(text), WireError, text);
  }
  assert.throws(() => read(message(6, ...Array<string>(64).fill(avp(99, '', 0)))), WireError);
});

test('hidden attributes are opened with the secret, over several blocks', () => {
  const vector = 'a1b2c3d4e5f60718';
  const host = latin('a host name that needs more than two blocks of sixteen');
  const hidden = message(
    1,
    avp(36, vector),
    avp(9, hide(9, u16(0x1234), 'tiger', vector, 'ff'.repeat(9)), 12),
    avp(7, hide(7, host, 'tiger', vector), 12),
  );
  assert.deepEqual(read(hidden, 'tiger').message, {
    kind: 'SCCRQ',
    randomVector: bytes(vector),
    assignedTunnelId: 0x1234,
    hostName: Buffer.from(host, 'hex').toString(),
  });
  assert.equal(read(hidden).problem?.error, 8, 'no secret');
  assert.notEqual(read(hidden, 'lion').message?.assignedTunnelId, 0x1234);
  const noVector = message(1, avp(9, hide(9, u16(1), 'tiger', vector), 12));
  assert.equal(read(noVector, 'tiger').problem?.error, 8);
});

test('challenges are answered as RFC 2661 says', () => {
  const [secret, challenge] = [Buffer.from('tiger'), bytes('00112233445566778899aabbccddeeff')];
  const expected = Uint8Array.from(md5(`02${latin('tiger')}00112233445566778899aabbccddeeff`));
  assert.deepEqual(Uint8Array.from(challengeResponse(Responder.SCCRP, secret, challenge)), expected);
  assert.ok(isResponse(challengeResponse(Responder.SCCRP, secret, challenge), expected));
  assert.ok(!isResponse(challengeResponse(Responder.SCCCN, secret, challenge), expected));
  assert.ok(!isResponse(undefined, expected));
});

test('results of Apple are understood in their byte order, and texts are safe', () => {
  const apple = read(message(14, avp(1, '03000200'))).message?.resultCode;
  assert.deepEqual(apple, { result: 3, error: 2, message: '' });
  assert.equal(callText(apple), 'for administrative reasons (result 3, error 2)');
  const { resultCode } = read(message(4, avp(1, `00020008${latin('a\nb')}`))).message ?? {};
  assert.match(stopText(resultCode), /mandatory attribute .* \(result 2, error 8, "a b"\)/);
  assert.equal(stopText(undefined), 'no reason given');
  assert.equal(read(message(1, avp(9, u16(1)), avp(7, `${latin('mac')}00`))).message?.hostName, 'mac');
});
