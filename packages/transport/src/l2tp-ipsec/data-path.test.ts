/** Which packets of a call are looked at for headers that hold for the next ones. Its ways are tested through sockets (trains.test.ts). */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import type { SaChain } from '@culvert/ipsec';
import { encodePath } from '@culvert/netio';
import { ipv4Packet, nullLogger } from '@culvert/testkit';
import { systemClock } from '../clock.ts';
import { FaultLog } from '../fault-log.ts';
import { createDatagrams, UdpPort } from '../udp-port.ts';
import { Carrier } from './carrier.ts';
import { createScratch, DataPath } from './data-path.ts';
import { IpsecPeer } from './peer.ts';

const LOOKS = 32;
const UDP_BYTES = 8;
const ports = { local: 1_701, remote: 40_000 };
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** Of session 9 in tunnel 7 of ours: without numbers, and with. */
const headers = {
  plain: bytes('0002 0007 0009'),
  long: bytes('4002 0000 0007 0009'),
  numbered: bytes('0802 0007 0009 0001 0000'),
};
const ppp = bytes('ff03 0021');
const packet = ipv4Packet(60, 1);

const onDatagrams = () => assert.fail('nothing is sent to us');
const port = new UdpPort({
  family: 4,
  address: '127.0.0.1',
  number: 0,
  scratch: createDatagrams(),
  log: nullLogger,
  faults: new FaultLog(nullLogger, systemClock),
  onDatagrams,
});
after(() => port.close());

function openPath() {
  const peer = new IpsecPeer({
    // What arrives is handed over opened: no SA is asked for anything.
    chain: {} as SaChain,
    facts: { ike: '', identity: '', nat: false },
    path: port.pathFrom(encodePath({ remote: { address: '127.0.0.2', port: 4_500 } }, 4)),
    bare: undefined,
    onSent: () => {},
  });
  let packets = 0;
  const data = new DataPath({
    session: {
      stage: 'up',
      sequencing: false,
      plainHeader: () => headers.plain,
      expectedHeader: (withLength) => headers[withLength ? 'long' : 'plain'],
      wrap: () => assert.fail('nothing is sent'),
    },
    carrier: new Carrier(peer, ports),
    scratch: createScratch(),
    join: 0,
    implementation: undefined,
    onControlFrame: () => assert.fail('a frame of PPP'),
    onRouterMessage: () => assert.fail('a router message'),
    onFault: (error) => assert.ifError(error),
    onPackets: ({ count }) => {
      packets += count;
    },
    onReceived: () => {},
  });
  data.open({ addressCompression: false, protocolCompression: false });
  const arrive = (kind: 'plain' | 'numbered', count: number) => {
    const before = Buffer.concat([Buffer.alloc(UDP_BYTES), headers[kind]]);
    before.writeUInt16BE(ports.remote, 0);
    before.writeUInt16BE(ports.local, 2);
    before.writeUInt16BE(before.length + ppp.length + packet.length, 4);
    const datagram = Buffer.concat([before, ppp, packet]);
    const batch = createPacketBatch(count, count * datagram.length);
    for (let slot = 0; slot < count; slot++) {
      const at = slot * datagram.length;
      batch.arena.set(datagram, at);
      batch.offsets[slot] = at + before.length;
      batch.lengths[slot] = datagram.length - before.length;
    }
    batch.used = batch.arena.length;
    batch.count = count;
    data.handleFrames(batch, 0, count);
  };
  return { peer, data, arrive, packets: () => packets };
}

/** Of the headers that are taken off there. */
const straightBytes = ({ receiver }: IpsecPeer) => receiver?.headers.bytes;

test('the first packet without numbers among those that are looked at opens the straight way', () => {
  for (const numbered of [0, 1, LOOKS - 1]) {
    const { peer, arrive, packets } = openPath();
    if (numbered > 0) arrive('numbered', numbered);
    assert.equal(straightBytes(peer), undefined);
    arrive('plain', 1);
    assert.equal(straightBytes(peer), UDP_BYTES + headers.plain.length + ppp.length, `after ${numbered}`);
    assert.equal(packets(), numbered + 1);
  }
});

test('a call whose first packets told nothing stays with L2TP and is not looked at any more', () => {
  const { peer, data, arrive, packets } = openPath();
  arrive('numbered', LOOKS);
  arrive('plain', 3);
  assert.equal(straightBytes(peer), undefined);
  assert.equal(packets(), LOOKS + 3);
  assert.deepEqual([data.stats.packetsIn, data.stats.bytesIn], [LOOKS + 3, (LOOKS + 3) * packet.length]);
});

test('the end of a call closes its straight way, and no other', () => {
  const { peer, data, arrive } = openPath();
  arrive('plain', 1);
  const theirs = { ...peer.receiver } as NonNullable<typeof peer.receiver>;
  data.close();
  assert.equal(straightBytes(peer), undefined);
  peer.receiver = theirs;
  data.close();
  assert.ok(peer.receiver === theirs);
});
