import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTlsCryptV2ClientKey, makeTlsCryptV2ServerKey, parseStaticKey } from '@culvert/config';
import { seededRandom } from '@culvert/testkit';
import fc from 'fast-check';
import { hex, packets, staticKeyFile } from '../../test/vectors.ts';
import { decodeBody, encodeHead } from '../control-packet.ts';
import { Opcode } from '../opcode.ts';
import { createDynamicWrap } from './dynamic.ts';
import { createTlsCryptWrap, openTlsCrypt, tlsCryptKey } from './tls-crypt.ts';
import { createTlsCryptV2Client, createTlsCryptV2Server } from './tls-crypt-v2.ts';
import { splitWrappedKey } from './wrapped-key.ts';

const key = parseStaticKey(staticKeyFile);
const session = new Uint8Array(8).fill(7);
const head = encodeHead(Opcode.controlV1, 0, session);

test("a reset wrapped by openvpn's tls-crypt is opened, and none with a changed byte", () => {
  const { resetV2TlsCrypt } = packets;
  const clientKey = tlsCryptKey(key, 'client');
  const opened = openTlsCrypt(clientKey, resetV2TlsCrypt);
  assert.equal(opened?.id, 1);
  assert.equal(opened?.time, 0x61d3_f8e1);
  assert.equal(decodeBody(Opcode.hardResetClientV2, opened?.body ?? hex(''))?.packetId, 0);
  for (let at = 0; at < resetV2TlsCrypt.length; at++) {
    const changed = resetV2TlsCrypt.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x23;
    assert.equal(openTlsCrypt(clientKey, changed), undefined, `byte ${at}`);
  }
});

test('each end opens what the other wraps, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (body) => {
      const server = createTlsCryptWrap({ role: 'server', staticKey: key, time: 1_000 });
      const client = createTlsCryptWrap({ role: 'client', staticKey: key, time: 1_000 });
      const datagram = client.wrap(head, body);
      assert.equal(datagram.length, head.length + client.overhead + body.length);
      assert.deepEqual(client.unwrap(datagram), { kind: 'unauthenticated' }, 'its own packet, reflected');
      const unwrapped = server.unwrap(datagram);
      assert.ok(unwrapped.kind === 'body');
      assert.deepEqual(Uint8Array.from(unwrapped.body), body);
    }),
  );
});

test('a packet is taken once, also out of order, and none of an earlier time', () => {
  const server = createTlsCryptWrap({ role: 'server', staticKey: key, time: 1_000 });
  const client = createTlsCryptWrap({ role: 'client', staticKey: key, time: 1_000 });
  const [one, two, three] = [1, 2, 3].map((n) => client.wrap(head, Uint8Array.of(n))) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  assert.equal(server.unwrap(two).kind, 'body');
  assert.equal(server.unwrap(one).kind, 'body');
  assert.equal(server.unwrap(one).kind, 'replayed');
  const restarted = createTlsCryptWrap({ role: 'client', staticKey: key, time: 1_001 });
  assert.equal(server.unwrap(restarted.wrap(head, Uint8Array.of(1))).kind, 'body', 'a later time starts anew');
  assert.equal(server.unwrap(three).kind, 'replayed');
});

test('a wrapped key follows the two opcodes that carry it, and no other', () => {
  const random = seededRandom(1);
  const serverKey = makeTlsCryptV2ServerKey(random);
  const { clientKey, wrapped } = makeTlsCryptV2ClientKey(serverKey, Uint8Array.of(0), random);
  const client = createTlsCryptV2Client(clientKey, wrapped, 1_000);
  const server = createTlsCryptV2Server(clientKey, 1_000, 1);
  for (const opcode of [Opcode.hardResetClientV3, Opcode.controlWkcV1, Opcode.controlV1]) {
    const carries = opcode !== Opcode.controlV1;
    const datagram = client.wrap(encodeHead(opcode, 0, session), Uint8Array.of(1, 2, 3));
    assert.equal(datagram.length, 9 + client.overhead + 3 + (carries ? wrapped.length : 0));
    assert.equal(splitWrappedKey(datagram) !== undefined, carries);
    const unwrapped = server.unwrap(datagram);
    assert.ok(unwrapped.kind === 'body');
    assert.deepEqual(Uint8Array.from(unwrapped.body), Uint8Array.of(1, 2, 3));
  }
});

test('the length at the end of a datagram is bounded before it is used', () => {
  for (const length of [0, 1, 289, 1_200, 0xffff]) {
    const datagram = new Uint8Array(400);
    new DataView(datagram.buffer).setUint16(398, length);
    assert.equal(splitWrappedKey(datagram), undefined, `length ${length}`);
  }
  assert.equal(splitWrappedKey(new Uint8Array(8)), undefined);
});

test('a dynamic wrap is mixed with the static key, and the same at both ends', () => {
  const exported = seededRandom(1).bytes(256);
  const make = (role: 'server' | 'client', staticKey: Uint8Array | undefined) =>
    createDynamicWrap({ role, exported, staticKey, time: 1_000 });
  const datagram = make('client', key).wrap(head, Uint8Array.of(1));
  assert.equal(make('server', key).unwrap(datagram).kind, 'body');
  assert.equal(make('server', undefined).unwrap(datagram).kind, 'unauthenticated');
  assert.equal(
    make('server', new Uint8Array(256)).unwrap(make('client', undefined).wrap(head, Uint8Array.of(1))).kind,
    'body',
  );
});
