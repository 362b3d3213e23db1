import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hex, packets } from '../test/vectors.ts';
import { bodyHeadBytes, decodeBody, encodeBody, encodeHead } from './control-packet.ts';
import { Opcode, peekControl } from './opcode.ts';

const id = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test('what is encoded is decoded again, with and without packet id', () => {
  const body = fc.record({
    acks: fc.array(id, { maxLength: 8 }),
    session: bytes(8),
    packetId: fc.option(id, { nil: undefined }),
    payload: fc.uint8Array({ maxLength: 200 }),
  });
  fc.assert(
    fc.property(body, ({ acks, session, packetId, payload }) => {
      fc.pre(packetId !== undefined || acks.length > 0);
      const opcode = packetId === undefined ? Opcode.ackV1 : Opcode.controlV1;
      const ackedSession = acks.length > 0 ? session : undefined;
      const encoded = encodeBody({ acks, ackedSession, packetId, payload });
      assert.equal(encoded.length, bodyHeadBytes(acks.length, packetId !== undefined) + payload.length);
      assert.deepEqual(decodeBody(opcode, encoded), { acks, ackedSession, packetId, payload });
    }),
  );
});

test('any bytes are decoded or refused, without an error', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 31 }), fc.uint8Array({ maxLength: 80 }), (opcode, body) => {
      const decoded = decodeBody(opcode, body);
      assert.ok(decoded === undefined || decoded.acks.length <= 8);
    }),
  );
});

test('a control packet of OpenVPN is read as its own tests read it', () => {
  const { controlWithAck } = packets;
  assert.deepEqual(peekControl(controlWithAck), {
    opcode: Opcode.controlV1,
    keyId: 0,
    sessionId: 0x7819_bf2e_bcd1_9a45n,
  });
  assert.deepEqual(decodeBody(Opcode.controlV1, controlWithAck.subarray(9)), {
    acks: [0],
    ackedSession: hex('eafebfa4418ae31b'),
    packetId: 1,
    payload: hex('160301'),
  });
});

test('acknowledgements of OpenVPN are read as its own tests read them', () => {
  const session = hex('dd85db535623b02e');
  const nothing = new Uint8Array(0);
  assert.deepEqual(decodeBody(Opcode.ackV1, packets.ackNone.subarray(9)), {
    acks: [0],
    ackedSession: session,
    packetId: undefined,
    payload: nothing,
  });
  assert.deepEqual(decodeBody(Opcode.ackV1, packets.ackOfThree.subarray(9))?.acks, [0, 1, 2]);
});

test('a reset is built as OpenVPN builds it', () => {
  const { resetV2None } = packets;
  const head = encodeHead(Opcode.hardResetClientV2, 0, resetV2None.subarray(1, 9));
  const body = encodeBody({ acks: [], ackedSession: undefined, packetId: 0, payload: new Uint8Array(0) });
  assert.deepEqual(Uint8Array.of(...head, ...body), resetV2None);
});

test('more than eight acknowledgements, or an ACK_V1 without any, is refused', () => {
  const nine = Uint8Array.of(9, ...new Uint8Array(9 * 4 + 8 + 4));
  assert.equal(decodeBody(Opcode.controlV1, nine), undefined);
  assert.equal(decodeBody(Opcode.ackV1, Uint8Array.of(0)), undefined);
});
