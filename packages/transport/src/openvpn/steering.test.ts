/** The kernel's own choice among real sockets, for datagrams of each kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDatagramBatch, encodePath, openUdp, type UdpSocket } from '@culvert/netio';
import { Opcode } from '@culvert/openvpn';
import { eventually } from '@culvert/testkit';
import { steeringProgram } from './steering.ts';

const COUNT = 3;
const loopback = { 4: '127.0.0.1', 6: '::1' } as const;

/** A group of sockets on one port, and which of them gets what. */
function openGroup(family: 4 | 6) {
  const steering = steeringProgram(COUNT);
  const sockets: UdpSocket[] = [];
  for (let i = 0; i < COUNT; i++) {
    const port = sockets[0]?.local.port ?? 0;
    sockets.push(openUdp({ family, address: loopback[family], port, reusePort: true, steering }));
  }
  const batch = createDatagramBatch(256, 16 * 65_536);
  const clients = Array.from({ length: 8 }, () => openUdp({ family }));
  const path = encodePath({ remote: { address: loopback[family], port: sockets[0]?.local.port ?? 0 } }, family);
  return {
    /** The index of the socket that gets `datagram`, which comes from client `from`. */
    async receiver(datagram: Uint8Array, from: number): Promise<number> {
      assert.ok(clients[from]?.send(datagram, path));
      const got = await eventually('the datagram', () => {
        batch.count = batch.used = 0;
        const index = sockets.findIndex((socket) => socket.recvBatch(batch) > 0);
        return index >= 0 && { index };
      });
      assert.deepEqual(batch.arena.slice(0, batch.lengths[0]), datagram);
      return got.index;
    },
    [Symbol.dispose]: () => {
      for (const socket of [...sockets, ...clients]) socket.close();
    },
  };
}

function data(opcode: number, peerId: number): Uint8Array {
  const datagram = new Uint8Array(40).fill(0xa5);
  new DataView(datagram.buffer).setUint32(0, (((opcode << 3) | 2) << 24) | peerId);
  return datagram;
}

function control(opcode: number, session: number): Uint8Array {
  const datagram = new Uint8Array(54).fill(0x5a);
  datagram[0] = opcode << 3;
  new DataView(datagram.buffer).setUint32(1, session);
  return datagram;
}

for (const family of [4, 6] as const) {
  test(`IPv${family}: data goes to the socket of its peer id, wherever it comes from`, async () => {
    using group = openGroup(family);
    for (const peerId of [0, 1, 2, 3, 100, 65_535, 0xff_fffe]) {
      for (let from = 0; from < 8; from++) {
        assert.equal(await group.receiver(data(Opcode.dataV2, peerId), from), peerId % COUNT, `peer ${peerId}`);
      }
    }
  });

  test(`IPv${family}: control packets of one session go to one socket, wherever they come from`, async () => {
    using group = openGroup(family);
    const opcodes = [Opcode.hardResetClientV2, Opcode.hardResetClientV3, Opcode.controlV1, Opcode.ackV1];
    for (const session of [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      for (const [from, opcode] of [...opcodes, Opcode.controlWkcV1, Opcode.softResetV1].entries()) {
        assert.equal(await group.receiver(control(opcode, session), from), session % COUNT, `session ${session}`);
      }
    }
  });
}

test('what is too short to name a session goes to the first socket', async () => {
  using group = openGroup(4);
  for (const bytes of [[Opcode.dataV2 << 3], [Opcode.dataV2 << 3, 0, 0], [Opcode.controlV1 << 3, 1, 1, 1], [0xff]]) {
    assert.equal(await group.receiver(Uint8Array.from(bytes), 3), 0);
  }
});
