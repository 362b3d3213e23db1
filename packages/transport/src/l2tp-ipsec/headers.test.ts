import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EspFraming, unframe } from '@culvert/cipher';
import { flowPackets, ipv4Packet } from '@culvert/testkit';
import { headersIn, headersOut } from './headers.ts';

const ports = { local: 1_701, remote: 40_000 };
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** A session 9 in tunnel 7 of ours, 0x0b in 0x0a of the peer. */
const session = {
  plainHeader: () => bytes('4002 0000 000a 000b'),
  expectedHeader: (withLength: boolean) => bytes(withLength ? '4002 0000 0007 0009' : '0002 0007 0009'),
};

const packet = Buffer.from(ipv4Packet(60, 1));

/** A peer's datagram, with right lengths, in the middle of an arena. */
function arrive(l2tp: string, ppp: string, behind = '') {
  const before = [bytes('aabbcc'), bytes('9c40 06a5 0000 1234')];
  const headers = [bytes(l2tp), bytes(ppp)];
  const arena = Buffer.concat([...before, ...headers, packet, bytes(behind)]);
  const udp = 3;
  arena.writeUInt16BE(arena.length - udp, udp + 4);
  if (l2tp.startsWith('4')) arena.writeUInt16BE(arena.length - bytes(behind).length - udp - 8, udp + 10);
  const frameAt = udp + 8 + bytes(l2tp).length;
  const packetAt = frameAt + bytes(ppp).length;
  return { arena, place: { frameAt, packetAt, end: packetAt + packet.length } };
}

test('what we send begins with the ports, the ids of the peer and the header that PPP agreed on', () => {
  const begins = (headers: EspFraming, hex: string) =>
    assert.deepEqual(unframe(headers, Buffer.concat([bytes(hex), packet])), packet, hex);
  begins(
    headersOut(session, ports, { addressCompression: false, protocolCompression: false }),
    '06a5 9c40 0050 0000 4002 0048 000a 000b ff03 0021',
  );
  begins(
    headersOut(session, ports, { addressCompression: true, protocolCompression: true }),
    '06a5 9c40 004d 0000 4002 0045 000a 000b 21',
  );
});

test('the headers of a packet of the peer hold for its next ones, of both IP versions', () => {
  for (const l2tp of ['4002 0000 0007 0009', '0002 0007 0009'])
    for (const ppp of ['ff03 0021', '0021', 'ff03 21', '21']) {
      const { arena, place } = arrive(l2tp, ppp);
      const headers = headersIn(arena, place, session, ports);
      assert.ok(headers !== undefined, `${l2tp} ${ppp}`);
      assert.equal(headers.bytes, place.packetAt - 3);
      const next = Buffer.from(arena.subarray(3));
      assert.deepEqual(unframe(headers, next), packet);
      const longer =
        flowPackets({ version: 6, protocol: 'tcp', from: 2, to: 1, sourcePort: 1, count: 1, size: 20 })[0] ?? packet;
      const other = Buffer.concat([next.subarray(0, headers.bytes), longer]);
      other.writeUInt16BE(other.length, 4);
      if (l2tp.startsWith('4')) other.writeUInt16BE(other.length - 8, 10);
      other[headers.bytes - 1] = 0x57;
      assert.deepEqual(unframe(headers, other), Buffer.from(longer));
    }
});

test('numbers, an offset, bytes behind the packet, ids and ports of others stay with L2TP', () => {
  const others: [string, string, string?][] = [
    ['4802 0000 0007 0009 0001 0000', '0021'],
    ['0802 0007 0009 0001 0000', '0021'],
    ['4202 0000 0007 0009 0000', '0021'],
    ['4002 0000 0007 0009', '0021', '0000'],
    ['0002 0008 0009', '0021'],
    ['4002 0000 0007 000a', '0021'],
  ];
  for (const [l2tp, ppp, behind] of others) {
    const { arena, place } = arrive(l2tp, ppp, behind);
    assert.equal(headersIn(arena, place, session, ports), undefined, l2tp);
  }
  const { arena, place } = arrive('0002 0007 0009', '0021');
  assert.equal(headersIn(arena, place, session, { local: 1_701, remote: 1_701 }), undefined);
  assert.equal(headersIn(arena.subarray(12), { frameAt: 5, packetAt: 7, end: 67 }, session, ports), undefined);
});
