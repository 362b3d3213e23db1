/** How fast packets are sealed and opened in one thread: singly, and in trains. */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { Engine, enginesOf } from '../src/engines.ts';
import {
  type AeadName,
  createEspFraming,
  createEspKey,
  createMppeKey,
  createOpenvpnAeadKey,
  createTrains,
  type EspAlgorithms,
  EspReplayWindow,
  EspReport,
  espKeyLengths,
  Join,
  MppeReport,
  OpenReport,
  ReplayWindow,
} from '../src/index.ts';
import { loadNative } from '../src/native.ts';
import { NativeAeadKey } from '../src/openvpn/native-aead.ts';
import { batchOf, packet, virtioBatchOf, virtioHeader } from './packets.ts';

// The best of many short rounds: others may use the machine meanwhile.
const ROUNDS = 20;
const ROUND_MILLISECONDS = 25;
const HEADER = 0x48_00_00_00;
const implementations = ['native', 'portable'] as const;
const ciphers: readonly AeadName[] = ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'];

/** 64 packets of 1400 bytes. */
const singles = batchOf(Array.from({ length: 64 }, () => new Uint8Array(1400)));
/** The same as IP packets of as many flows: no two of them join. */
const packets = batchOf(
  Array.from({ length: 64 }, (_, i) => packet({ sourcePort: i, payload: bytes(1360), checksum: 'none' })),
);
/** What Linux gives for 45 segments of 1400 bytes with timestamps. */
const whole = packet({
  tcpOptions: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1),
  payload: bytes(45 * 1400),
  checksum: 'pseudo',
});
const header = virtioHeader({ flags: 1, gsoType: 1, gsoSize: 1400, csumStart: 20, csumOffset: 16 });
const train = virtioBatchOf([{ header, packet: whole }]);

const espSuites: readonly EspAlgorithms[] = [
  { encryption: 'aes-gcm-16', keyBytes: 32 },
  { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-256-128' },
  { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha1-96' },
  { encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' },
];

const sealed = createPacketBatch(64, 200_000);
const opened = createPacketBatch(64, 200_000);
const joined = createPacketBatch(64, 400_000, { virtio: true });
const window = new ReplayWindow(64);
const report = new Uint32Array(OpenReport.words);

for (const implementation of implementations) {
  for (const cipher of ciphers) {
    const key = new Uint8Array(cipher === 'AES-128-GCM' ? 16 : 32);
    const one = createOpenvpnAeadKey({ cipher, key, implicitIv: new Uint8Array(8), format: 'v2', implementation });
    const speeds = {
      seal: measure(singles, () => one.seal(singles, 0, empty(sealed), HEADER, 1)),
      open: measure(singles, () => one.open(sealed, 0, sealed.count, empty(opened))),
      'seal train': measure(train, () => one.seal(train, 0, empty(sealed), HEADER, 1)),
      'open train': measure(train, () => {
        window.reset();
        one.openTrain(sealed, 0, sealed.count, empty(joined), window, report);
      }),
    };
    if (joined.count !== 1) throw new Error('the train was not joined');
    print(`${implementation} ${cipher}`, speeds);
  }
  print(`${implementation} MPPE-128`, measureMppe(implementation));
  for (const algorithms of espSuites)
    print(`${implementation} ESP ${nameOf(algorithms)}`, measureEsp(implementation, algorithms));
  const trains = createTrains(implementation);
  print(`${implementation} no cipher`, {
    segment: measure(train, () => trains.segment(train, 0, empty(opened))),
    join: measure(train, () => trains.join(opened, 0, opened.count, empty(joined), Join.tcp)),
  });
}

/** Sealing and opening go on with their counts, so each call opens what the call before it sealed: the pair is measured, less sealing. */
function measureMppe(implementation: 'native' | 'portable'): Record<string, number> {
  const options = {
    strength: 128,
    startKey: new Uint8Array(16),
    framing: { acfc: true, pfc: false, headroom: 16 },
    implementation,
  } as const;
  const frames = createPacketBatch(64, 200_000);
  const words = new Uint32Array(MppeReport.words);
  const speeds: Record<string, number> = {};
  for (const [name, batch] of [
    ['', packets],
    [' train', train],
  ] as const) {
    const [sealing, opening] = [createMppeKey(options), createMppeKey(options)];
    const seal = () => {
      frames.count = frames.used = 0;
      sealing.seal(batch, 0, frames);
      for (let i = 0; i < frames.count; i++) {
        frames.offsets[i] = (frames.offsets[i] ?? 0) + options.framing.headroom;
        frames.lengths[i] = (frames.lengths[i] ?? 0) - options.framing.headroom;
      }
    };
    const both = measure(batch, () => {
      seal();
      opening.openTrain(frames, 0, frames.count, empty(joined), words);
    });
    if (words[MppeReport.accepted] !== frames.count) throw new Error('frames were not accepted');
    const alone = measure(batch, seal);
    speeds[`seal${name}`] = alone;
    speeds[`open${name}`] = 1 / (1 / both - 1 / alone);
  }
  return speeds;
}

/** IP packets behind headers of UDP, L2TP and PPP. */
function measureEsp(implementation: 'native' | 'portable', algorithms: EspAlgorithms): Record<string, number> {
  const lengths = espKeyLengths(algorithms);
  const keys = {
    spi: 256,
    encryptionKey: bytes(lengths.encryption),
    integrityKey: new Uint8Array(lengths.integrity),
  };
  const key = createEspKey({ algorithms, keys, implementation });
  const framing = createEspFraming({ header: new Uint8Array(18), protocolAt: 17, lengths: [{ at: 4, from: 0 }] });
  const words = new Uint32Array(EspReport.words);
  const others = createPacketBatch(1, 1_600);
  const open = () =>
    key.openFramed(sealed, 0, sealed.count, empty(joined), others, new EspReplayWindow(), 17, words, framing);
  const speeds: Record<string, number> = {};
  for (const [name, batch] of [
    ['', packets],
    [' train', train],
  ] as const) {
    speeds[`seal${name}`] = measure(batch, () => key.sealFramed(batch, 0, empty(sealed), 1, 17, framing));
    speeds[`open${name}`] = measure(batch, open);
    if (words[EspReport.packets] !== sealed.count) throw new Error('packets were not accepted');
  }
  key.close();
  return speeds;
}

function nameOf(algorithms: EspAlgorithms): string {
  const integrity = algorithms.encryption === 'aes-gcm-16' ? '' : ` ${algorithms.integrity}`;
  return `${algorithms.encryption} ${8 * algorithms.keyBytes}${integrity}`;
}

const native = loadNative();
for (const cipher of ['AES-256-GCM', 'AES-128-GCM'] as const) {
  for (const { name, number } of [{ name: 'OpenSSL', number: Engine.openssl }, ...enginesOf(native)]) {
    const key = new Uint8Array(cipher === 'AES-128-GCM' ? 16 : 32);
    const one = new NativeAeadKey(native, { cipher, key, implicitIv: new Uint8Array(8), format: 'v2' }, number);
    const times = [64, 512, 1400].map((size) => {
      const packets = batchOf(Array.from({ length: 64 }, () => new Uint8Array(size)));
      const seal = size / measure(packets, () => one.seal(packets, 0, empty(sealed), HEADER, 1));
      const open = size / measure(packets, () => one.open(sealed, 0, sealed.count, empty(opened)));
      return `${size} bytes ${seal.toFixed(0)} / ${open.toFixed(0)}`;
    });
    console.log(`${name} ${cipher}, ns a packet, seal / open: ${times.join(', ')}`);
    one.close();
  }
}

function bytes(size: number): Uint8Array {
  return new Uint8Array(size).map((_, i) => i * 31);
}

function empty(batch: PacketBatch): PacketBatch {
  batch.count = batch.used = 0;
  return batch;
}

/** Gigabytes of inner packets a second. */
function measure(batch: PacketBatch, call: () => void): number {
  const size = batch.lengths.reduce((sum, length) => sum + length, 0);
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    let calls = 0;
    for (; performance.now() - start < ROUND_MILLISECONDS; calls++) call();
    best = Math.max(best, (calls * size) / (performance.now() - start) / 1e6);
  }
  return best;
}

function print(name: string, speeds: Record<string, number>): void {
  const list = Object.entries(speeds).map(([what, speed]) => `${what} ${speed.toFixed(2)}`);
  console.log(`${name}: ${list.join(', ')} GB/s`);
}
