/** The life of SAs, without IKE: two databases whose pairs have each other's keys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type Instant, type PacketBatch } from '@culvert/base';
import { EspReport } from '@culvert/cipher';
import { batchOf, flowPackets, packetsOf, seededRandom } from '@culvert/testkit';
import type { ChildSa } from '../child-sa.ts';
import { SaDatabase, type SaEvent } from '../index.ts';
import { SaChain } from './sa-chain.ts';
import { SaPair } from './sa-pair.ts';

const at = (seconds: number) => (seconds * 1_000) as Instant;
const selector = (port: number) => ({ network: '192.0.2.1/32', protocol: 17, port });
const report = new Uint32Array(EspReport.words);

/** A pair as the initiator has it, and as the responder has it. */
function pairOf(inbound: number, outbound: number, port = 1701): [ChildSa, ChildSa] {
  const keys = (spi: number) => ({
    spi,
    encryptionKey: new Uint8Array(32).fill(spi),
    integrityKey: new Uint8Array(20).fill(spi >> 8),
  });
  const common = { mode: 'transport', udpEncapsulated: true, esn: false } as const;
  const algorithms = { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha1-96' } as const;
  const ours = { ...common, algorithms, inbound: keys(inbound), outbound: keys(outbound) };
  const theirs = { ...common, algorithms, inbound: keys(outbound), outbound: keys(inbound) };
  const selectors = { local: selector(1701), remote: selector(port) };
  return [
    { ...ours, ...selectors },
    { ...theirs, local: selectors.remote, remote: selectors.local },
  ];
}

function payloads(count: number): PacketBatch {
  const batch = createPacketBatch(count, count * 64);
  for (let i = 0; i < count; i++) [batch.offsets[i], batch.lengths[i]] = [i * 64, 40];
  batch.count = count;
  batch.used = count * 64;
  return batch;
}

function eventsOf(sas: SaDatabase): SaEvent[] {
  const events: SaEvent[] = [];
  for (let e = sas.pollEvent(); e !== undefined; e = sas.pollEvent()) events.push(e);
  return events;
}

const sender = (chain: SaChain) => chain.sending?.child;
const database = (seed = 1) => new SaDatabase({ random: seededRandom(seed) });
const child = (n: number, sa: ChildSa, replaces?: number) => ({ ikeSa: 1, child: n, sa, replaces });

test('SPIs are at least 256 and unique, and those that came to nothing are free again', () => {
  const low = [0, 0, 0, 255, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0];
  const sas = new SaDatabase({ random: { bytes: (length) => Uint8Array.from(low.splice(0, length)) } });
  assert.equal(sas.allocateSpi(), 256);
  assert.equal(sas.allocateSpi(), 257);
  sas.releaseSpi(256);
  assert.equal(sas.allocateSpi(), 256);
});

test('a new pair receives at once, and sends only when the peer is known to have it', () => {
  const sas = database();
  const [first] = pairOf(1_000, 2_000);
  const [second] = pairOf(1_001, 2_001);
  const chain = sas.create(child(1, first));
  assert.equal(sender(chain), undefined);
  sas.handleReady(1);
  assert.equal(sender(chain), 1);
  assert.equal(sas.create(child(2, second, 1)), chain);
  assert.equal(sender(chain), 1, 'the old one, for now');
  assert.equal(sas.find(1_001)?.child, 2);
  sas.handleReady(2);
  assert.equal(sender(chain), 2);
});

test('what is sealed by one end is opened by the other, once', () => {
  const [ours, theirs] = pairOf(1_000, 2_000);
  const [here, there] = [database(1), database(2)];
  const chain = here.create(child(1, ours));
  here.handleReady(1);
  there.create(child(7, theirs));
  const [sealed, opened] = [createPacketBatch(16, 4_096), createPacketBatch(16, 4_096)];
  assert.equal(chain.sending?.seal(payloads(3), 0, sealed), 3);
  const receiving = there.find(2_000);
  assert.equal(receiving?.open(sealed, 0, 3, opened, report), 3);
  assert.equal(report[EspReport.accepted], 3);
  assert.equal(receiving?.highest, 3);
  receiving?.open(sealed, 0, 3, opened, report);
  assert.equal(report[EspReport.replayed], 3);
});

test('a pair in tunnel mode carries IP packets of both versions, and nothing else', () => {
  const [ours, theirs] = pairOf(1_000, 2_000);
  const tunnel = (sa: ChildSa): ChildSa => ({ ...sa, mode: 'tunnel' });
  const [here, there] = [database(1), database(2)];
  const chain = here.create(child(1, tunnel(ours)));
  here.handleReady(1);
  there.create(child(7, tunnel(theirs)));
  const packets = ([4, 6] as const).flatMap((version) =>
    flowPackets({ version, protocol: 'udp', from: 2, to: 1, sourcePort: 9, count: 2, size: 20 }),
  );
  const [sealed, opened] = [createPacketBatch(16, 4_096), createPacketBatch(16, 4_096)];
  assert.equal(chain.sending?.seal(batchOf([...packets, new Uint8Array(40)]), 0, sealed), 5);
  assert.equal(sealed.count, 4);
  assert.equal(there.find(2_000)?.open(sealed, 0, 4, opened, report), 4);
  assert.deepEqual(packetsOf(opened), packets);
});

test('a deleted pair receives for thirty seconds more and sends nothing', () => {
  const sas = database();
  sas.create(child(1, pairOf(1_000, 2_000)[0]));
  const chain = sas.create(child(2, pairOf(1_001, 2_001)[0], 1));
  sas.handleReady(1);
  sas.handleReady(2);
  sas.handleDeleted(2, 'peer', at(10));
  assert.equal(sender(chain), 1, 'what is left');
  assert.equal(sas.find(1_001)?.child, 2);
  assert.equal(sas.pollTimeout(), at(40));
  sas.handleTimeout(at(39.9));
  assert.equal(sas.find(1_001)?.child, 2);
  sas.handleTimeout(at(40));
  assert.equal(sas.find(1_001), undefined);
  assert.equal(sas.size, 1);
  assert.deepEqual(eventsOf(sas), []);
});

test('a chain ends three seconds after its last pair, and a pair whose life is over is gone at once', () => {
  const sas = database();
  const chain = sas.create(child(1, pairOf(1_000, 2_000)[0]));
  sas.handleDeleted(1, 'expiry', at(10));
  assert.equal(sas.find(1_000), undefined);
  sas.handleTimeout(at(12.9));
  assert.deepEqual(eventsOf(sas), []);
  sas.handleTimeout(at(13));
  assert.deepEqual(eventsOf(sas), [{ kind: 'ended', chain }]);
  assert.equal(sas.pollTimeout(), undefined);
});

test('a pair that comes in these three seconds, of the same phase 1 or its successor, goes on with the chain', () => {
  const sas = database();
  const chain = sas.create(child(1, pairOf(1_000, 2_000)[0]));
  sas.handleDeleted(1, 'peer', at(10));
  assert.notEqual(sas.create(child(2, pairOf(1_001, 2_001, 1_702)[0])), chain, 'other packets');
  sas.handleReplaced(1, 9);
  assert.notEqual(sas.create(child(3, pairOf(1_002, 2_002)[0])), chain, 'another peer');
  assert.equal(sas.create({ ...child(4, pairOf(1_003, 2_003)[0]), ikeSa: 9 }), chain);
  sas.handleTimeout(at(20));
  assert.deepEqual(eventsOf(sas), []);
});

test('a peer that moved goes on with its chain in transport mode, and other networks in tunnel mode are another one', () => {
  const sas = database();
  const [sa] = pairOf(1_000, 2_000);
  const chain = sas.create(child(1, sa));
  sas.handleDeleted(1, 'peer', at(10));
  const other = { ...pairOf(1_001, 2_001)[0], remote: { ...sa.remote, network: '192.0.2.9/32' } };
  const tunnel = sas.create(child(2, { ...other, mode: 'tunnel' }));
  assert.notEqual(tunnel, chain);
  sas.handleDeleted(2, 'peer', at(10));
  assert.equal(sas.create(child(3, { ...other, inbound: { ...other.inbound, spi: 1_002 } })), chain);
  const elsewhere = { ...pairOf(1_003, 2_003)[0], mode: 'tunnel' } as const;
  assert.notEqual(sas.create(child(4, elsewhere)), tunnel);
});

test('a chain keeps so many pairs, a peer so many chains', () => {
  const sas = database();
  const ids = Array.from({ length: 9 }, (_, n) => n + 1);
  for (const n of ids) sas.create(child(n, pairOf(1_000 + n, 2_000 + n)[0], n - 1));
  assert.deepEqual(eventsOf(sas), [{ kind: 'surplus', child: 1 }]);
  for (let n = 0; n < 16; n++) sas.create(child(100 + n, pairOf(3_000 + n, 4_000 + n, 5_000 + n)[0]));
  assert.deepEqual(eventsOf(sas), [{ kind: 'surplus', child: 115 }]);
});

test('sequence numbers that run out are told of, and spent ones seal nothing', () => {
  const [sa] = pairOf(1_000, 2_000);
  const told: string[] = [];
  const about = { child: 1, sa, chain: new SaChain(1, sa), onWear: (state: string) => void told.push(state) };
  const dst = createPacketBatch(8, 1_024);
  const worn = new SaPair({ ...about, sent: 0xc000_0000 - 2 });
  worn.seal(payloads(1), 0, dst);
  assert.deepEqual(told, []);
  worn.seal(payloads(1), 0, dst);
  assert.deepEqual(told, ['worn']);
  const last = new SaPair({ ...about, sent: 0xffff_ffff - 2 });
  assert.equal(last.seal(payloads(2), 0, dst), 2);
  assert.equal(last.seal(payloads(1), 0, dst), 0);
  assert.equal(last.seal(payloads(1), 0, dst), 0);
  assert.deepEqual(told, ['worn', 'spent']);
  assert.equal(dst.count, 4);
});
