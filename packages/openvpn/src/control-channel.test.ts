import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatedPath } from '@culvert/testkit';
import { ControlChannel, LONGEST_CONTROL } from './control-channel.ts';
import { encodeBody, encodeHead } from './control-packet.ts';
import { Opcode } from './opcode.ts';
import { emptyStats } from './session-settings.ts';
import { createNoWrap } from './wrap/none.ts';

const ours = new Uint8Array(8).fill(1);
const theirs = new Uint8Array(8).fill(2);
const nothing = new Uint8Array(0);
const path = simulatedPath(1);

function channel(role: 'server' | 'client' = 'server', knows: 'peer' | 'nobody' = 'peer') {
  const stats = emptyStats();
  const options = { role, protocol: 'udp', path, ownSessionId: ours, staticKey: undefined, stats } as const;
  return {
    stats,
    channel: new ControlChannel({
      ...options,
      peerSessionId: knows === 'peer' ? theirs : undefined,
      wrap: createNoWrap(),
    }),
  };
}

function packet(
  opcode: Opcode,
  changes: { session?: Uint8Array; acked?: Uint8Array; id?: number; payload?: Uint8Array } = {},
) {
  const { session = theirs, acked, id = 1, payload = nothing } = changes;
  const acks = acked === undefined ? [] : [0];
  return Uint8Array.of(
    ...encodeHead(opcode, 0, session),
    ...encodeBody({ acks, ackedSession: acked, packetId: id, payload }),
  );
}

test("the peer's packets are taken", () => {
  const { channel: control } = channel();
  const opened = control.open(packet(Opcode.controlV1, { acked: ours, id: 3 }), path);
  assert.deepEqual([opened?.opcode, opened?.keyId, opened?.body.packetId], [Opcode.controlV1, 0, 3]);
});

test('packets from another address or port, or with another session id, are not the peer’s', () => {
  const { channel: control, stats } = channel();
  const { address, port } = path.remote;
  assert.equal(control.open(packet(Opcode.controlV1), { ...path, remote: { address, port: port + 1 } }), undefined);
  assert.equal(
    control.open(packet(Opcode.controlV1), { ...path, remote: { address: '203.0.113.1', port } }),
    undefined,
  );
  assert.equal(control.open(packet(Opcode.controlV1, { session: ours }), path), undefined);
  assert.equal(stats.unauthenticated, 3);
});

test('after a move the old address is no longer the peer’s', () => {
  const { channel: control } = channel();
  const moved = { ...path, remote: { address: '203.0.113.1', port: 9 } };
  control.move(moved);
  assert.equal(control.open(packet(Opcode.controlV1), path), undefined);
  assert.ok(control.open(packet(Opcode.controlV1), moved));
});

test('acknowledgements of another session, late resets, opcodes of the other role and giants are malformed', () => {
  const { channel: control, stats } = channel();
  const bad = [
    packet(Opcode.controlV1, { acked: theirs }),
    packet(Opcode.hardResetClientV2, { id: 1 }),
    packet(Opcode.hardResetServerV2, { id: 0 }),
    packet(Opcode.controlV1, { payload: new Uint8Array(LONGEST_CONTROL) }),
    Uint8Array.of(0x20),
  ];
  for (const datagram of bad) assert.equal(control.open(datagram, path), undefined);
  assert.equal(stats.malformed, bad.length);
});

test("a client learns its server's session id from a reset, once, and never zeros", () => {
  const { channel: control } = channel('client', 'nobody');
  assert.equal(control.open(packet(Opcode.controlV1), path), undefined, 'a reset comes first');
  assert.equal(control.open(packet(Opcode.hardResetServerV2, { session: new Uint8Array(8), id: 0 }), path), undefined);
  const reset = packet(Opcode.hardResetServerV2, { id: 0 });
  assert.ok(control.open(reset, path));
  control.learnPeer(reset);
  control.learnPeer(new Uint8Array(20).fill(3));
  assert.deepEqual(control.peerSessionId, theirs);
});
