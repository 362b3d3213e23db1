/** Trains through real sockets: what goes in joined comes out as the same packets, whatever happens to the link meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link } from '@culvert/core';
import { eventually, type FlowOptions, flowPackets, openRelay, RecordingLogger } from '@culvert/testkit';
import { Stage } from '../../test/openvpn-stage.ts';
import { joined, Received } from '../../test/trains.ts';
import { systemClock } from '../clock.ts';
import { FaultLog } from '../fault-log.ts';
import { createDatagrams, UdpPort } from '../udp-port.ts';

const flow = (o: Partial<FlowOptions>) =>
  flowPackets({ version: 4, protocol: 'tcp', from: 2, to: 1, sourcePort: 1_000, count: 40, size: 1_388, ...o });

/** One turn of a busy link: flows of all kinds, in part too short to be joined. */
const mixed = (from: number, turn: number): Uint8Array[] =>
  ([4, 6] as const).flatMap((version) => [
    ...flow({ version, from, count: 20, size: 1_000, first: turn * 20 }),
    ...flow({ version, from, protocol: 'udp', sourcePort: 2_000, count: 8, size: 300, first: turn * 8 }),
    ...flow({ version, from, protocol: 'udp', sourcePort: 3_000 + turn, count: 1, size: 40 + turn }),
  ]);

for (const protocol of ['udp', 'tcp'] as const) {
  test(`trains of both IP versions arrive over ${protocol} as the packets that went in, joined again`, async () => {
    await using stage = await new Stage({ protocol }).listen();
    const [ours, theirs] = await stage.connect();
    for (const [from, to] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const received = new Received(to);
      const packets = ([4, 6] as const).flatMap((version) =>
        (['tcp', 'udp'] as const).flatMap((upper) => flow({ version, protocol: upper })),
      );
      const batch = joined(packets);
      assert.ok(batch.count <= 8, `${batch.count} slots`);
      from.send(batch);
      await eventually('all came', () => received.count >= packets.length);
      assert.ok(received.has(packets));
      assert.ok(received.largest > 20_000, `the largest had ${received.largest} bytes`);
      const bytes = packets.reduce((sum, packet) => sum + packet.length, 0);
      assert.deepEqual([from.stats.packetsOut, from.stats.bytesOut], [packets.length, bytes]);
      assert.deepEqual([to.stats.packetsIn, to.stats.bytesIn], [packets.length, bytes]);
    }
  });

  test(`a super-packet of the smallest segments that a kernel makes goes whole over ${protocol}`, async () => {
    await using stage = await new Stage({ protocol }).listen();
    const [ours, theirs] = await stage.connect();
    const received = new Received(theirs);
    const packets = flow({ size: 36, count: 1_818 });
    const batch = joined(packets);
    assert.equal(batch.count, 1);
    ours.send(batch);
    await eventually('all came', () => received.count >= packets.length);
    assert.ok(received.has(packets));
    assert.equal(ours.stats.droppedOut, 0);
  });
}

test('what fits no batch is dropped and counted, and what follows it arrives', async () => {
  await using stage = await new Stage().listen();
  const [ours, theirs] = await stage.connect();
  const received = new Received(theirs);
  const packets = flow({ count: 3 });
  const batch = joined([...flow({ version: 6, size: 1, count: 4_000 }), ...packets]);
  assert.equal(batch.count, 2);
  ours.send(batch);
  const liar = joined(flow({ count: 5, sourcePort: 9 }));
  liar.view.setUint16((liar.offsets[0] ?? 0) - 4, 60_000, true);
  ours.send(liar);
  await eventually('the others came', () => received.count >= packets.length);
  assert.ok(received.has(packets));
  assert.deepEqual([ours.stats.packetsOut, ours.stats.droppedOut], [packets.length, 2]);
});

test('200 links with mixed traffic at once: each gets its own packets, none twice', async () => {
  await using stage = await new Stage().listen();
  const links: { end: Link; received: Received; sent: Uint8Array[]; from: number }[] = [];
  for (let n = 0; n < 200; n++) {
    const [ours, theirs] = await stage.connect();
    links.push({ end: ours, received: new Received(theirs), sent: [], from: n + 2 });
    links.push({ end: theirs, received: new Received(ours), sent: [], from: n + 2 });
  }
  for (let turn = 0; turn < 3; turn++) {
    for (let at = 0; at < links.length; at += 20) {
      const busy = links.slice(at, at + 20);
      for (const { end, sent, from } of busy) {
        const packets = mixed(from, turn);
        sent.push(...packets);
        end.send(joined(packets));
      }
      const all = () => busy.every(({ received, sent }) => received.count >= sent.length);
      await eventually('all of the turn came', all, 20_000);
    }
  }
  for (const { received, sent } of links) {
    assert.equal(received.count, sent.length);
    assert.ok(received.has(sent));
  }
  const { trainsSent = 0, trainsReceived = 0, dataUnauthenticated, dataWithoutPeer } = stage.listener.stats;
  assert.ok(trainsSent > 1_000 && trainsReceived > 1_000, `${trainsSent} trains sent, ${trainsReceived} received`);
  assert.deepEqual([dataUnauthenticated, dataWithoutPeer], [0, 0]);
});

test('keys change in the middle of trains, and no packet is lost', async () => {
  await using stage = await new Stage({ dial: { renegotiateAfter: 250 } }).listen();
  const [ours, theirs] = await stage.connect();
  const ends = [
    { end: ours, received: new Received(theirs), sent: 0 },
    { end: theirs, received: new Received(ours), sent: 0 },
  ];
  const rekeyed = () => stage.events.filter(({ kind }) => kind === 'rekeyed').length;
  for (let turn = 0; rekeyed() < 6; turn++) {
    assert.ok(turn < 2_000, `${rekeyed()} key changes in ${turn} turns`);
    for (const one of ends) {
      const packets = mixed(2, turn);
      one.sent += packets.length;
      one.end.send(joined(packets));
    }
    await eventually('all of the turn came', () => ends.every(({ received, sent }) => received.count >= sent));
  }
  for (const { received, sent } of ends) assert.equal(received.packets.size, sent);
  assert.equal(stage.listener.stats['dataUnauthenticated'], 0);
});

test('a peer that moves in the middle of trains keeps its link, and is answered with trains where it is', async () => {
  await using stage = await new Stage().listen();
  const [endpoint] = stage.listener.endpoints;
  assert.ok(endpoint);
  const relay = await openRelay('udp', endpoint);
  try {
    const [ours, theirs] = await stage.connect(relay.endpoint);
    const [atGateway, atClient] = [new Received(theirs), new Received(ours)];
    let sent = 0;
    for (let move = 0; move < 5; move++) {
      const packets = flow({ count: 40, first: move * 40 });
      sent += packets.length;
      ours.send(joined(packets.slice(0, 20)));
      await eventually('the first half came', () => atGateway.count >= sent - 20);
      relay.roam();
      ours.send(joined(packets.slice(20)));
      await eventually('the second half came', () => atGateway.count >= sent);
      theirs.send(joined(packets));
      await eventually('the answer came', () => atClient.count >= sent);
    }
    assert.ok(stage.events.some(({ kind }) => kind === 'roamed'));
    assert.deepEqual([atGateway.packets.size, atClient.packets.size], [sent, sent]);
  } finally {
    await relay.close();
  }
});

test('with trains ruled out packets move one by one, and each socket says so once', async () => {
  await using stage = await new Stage({ listen: { trains: false }, dial: { trains: false } }).listen();
  const [ours, theirs] = await stage.connect();
  const received = new Received(theirs);
  const packets = flow({});
  ours.send(joined(packets));
  ours.send(joined(flow({ first: 40 })));
  await eventually('all came', () => received.count >= 2 * packets.length);
  const { trainsSent, trainsReceived, socketsWithoutSegmentation, socketsWithoutCoalescing } = stage.listener.stats;
  assert.deepEqual([trainsSent, trainsReceived], [0, 0]);
  assert.deepEqual([socketsWithoutSegmentation, socketsWithoutCoalescing], [1, 1]);
  assert.equal(ours.wire?.['trainsSent'], 0);
  assert.ok((ours.wire['datagramsSent'] ?? 0) >= received.count);
  for (const message of ['datagrams leave one by one', 'datagrams come one by one']) {
    const lines = stage.log.lines.filter((line) => line.message === message);
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields['reason']]),
      [
        ['info', 'unwanted'],
        ['info', 'unwanted'],
      ],
    );
  }
});

test('a socket that gives trains up says so once, with the reason', async () => {
  const log = new RecordingLogger();
  const port = new UdpPort({
    family: 4,
    address: '127.0.0.1',
    number: 0,
    scratch: createDatagrams(),
    log,
    faults: new FaultLog(log, systemClock),
    onDatagrams: ({ count }) => count,
  });
  try {
    assert.deepEqual(log.lines, []);
    port.socket.stats.segmentation = 'off';
    port.socket.stats.segmentationOff = 'EIO';
    const path = port.pathFrom(Uint32Array.of(0x7f, 0, 0, 0, 0, 0, 0, 0, 9, 4 << 28));
    const outbox = UdpPort.outboxFor(() => path);
    for (let n = 0; n < 2; n++) {
      const out = outbox.open();
      assert.ok(out);
      out.lengths[0] = 1;
      out.count = 1;
      out.used = 1;
      outbox.commit(0);
      await eventually('it left', () => out.count === 0);
    }
    assert.deepEqual(
      log.lines.map(({ level, fields }) => [level, fields['reason']]),
      [['warn', 'EIO']],
    );
  } finally {
    port.close();
  }
});

test('packets protected without native code arrive, and the log warns of it once', async () => {
  const portable = { cipherImplementation: 'portable' } as const;
  await using stage = await new Stage({ listen: portable, dial: portable }).listen();
  for (let n = 0; n < 2; n++) {
    const [ours, theirs] = await stage.connect();
    const received = new Received(theirs);
    const packets = flow({});
    ours.send(joined(packets));
    await eventually('all came', () => received.count >= packets.length);
    assert.ok(received.has(packets));
  }
  assert.deepEqual(
    stage.log.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields['reason']),
    ['unwanted'],
  );
});
