/** What comes to port 4500 for one pair of SAs, natively and by the portable twin at once: both must do the same. */
import { createPacketBatch, type Instant, type PacketBatch } from '@culvert/base';
import { type EspAlgorithms, EspReport, espKeyLengths } from '@culvert/cipher';
import { type ChildSa, matchesSelectors, SaDatabase, sortDatagram, spiOf } from '@culvert/ipsec';
import { type SeededRandom, seededRandom } from '@culvert/testkit';
import { espPeerPacket } from '../../../packages/cipher/test/esp-peer.ts';
import { Model } from './model.ts';

/** `fresh`: nothing came yet. `moved`: the window is full. `late`: the last numbers are in use. `deleted`: it receives what is on its way. */
export const states = ['fresh', 'moved', 'late', 'deleted'] as const;
export type State = (typeof states)[number];

const SLOTS = 16;
const BYTES = 64 * 1_024;
/** No packet of a visit is longer. */
const READ = 1_600;
const HALF = 2 ** 32;
const LATE = HALF - 20;
const UDP = 17;

export interface Received {
  readonly sorted: string;
  /** Words of the report; all zero for what never came to a key. */
  readonly report: readonly number[];
  /** Of those that were accepted, whether they are what the pair was made for. */
  readonly selected: readonly boolean[];
  readonly payloads: readonly string[];
  /** The highest sequence number afterwards. */
  readonly highest: number;
}

/** One receiver of the two. */
class Side {
  readonly sas: SaDatabase;
  readonly #dst: PacketBatch = createPacketBatch(SLOTS, BYTES);
  readonly #src: PacketBatch = createPacketBatch(SLOTS, BYTES);
  readonly #report: Uint32Array = new Uint32Array(EspReport.words);
  readonly #spi: number;

  constructor(implementation: 'native' | 'portable', sa: ChildSa) {
    this.sas = new SaDatabase({ random: seededRandom(1), implementation });
    this.sas.create({ ikeSa: 1, child: 1, sa, replaces: undefined });
    this.#spi = sa.inbound.spi;
  }

  /** Datagrams that came together. Those of one SPI go to its key in one call, as a driver does it. */
  receive(datagrams: readonly Uint8Array[]): Received {
    const [src, dst] = [this.#src, this.#dst];
    src.count = src.used = dst.count = dst.used = 0;
    const sorted: string[] = [];
    for (const datagram of datagrams) {
      const at = src.used;
      src.arena.set(datagram, at);
      const view = new DataView(src.arena.buffer, src.arena.byteOffset);
      const what = sortDatagram(view, at, datagram.length);
      const known = what === 'esp' && this.sas.find(spiOf(view, at)) !== undefined;
      sorted.push(known ? 'known' : what);
      if (!known) continue;
      [src.offsets[src.count], src.lengths[src.count], src.tags[src.count]] = [at, datagram.length, src.count];
      src.count++;
      src.used += datagram.length;
    }
    this.#report.fill(0);
    const pair = this.sas.find(this.#spi);
    if (pair === undefined) throw new Error('the pair is gone');
    if (src.count > 0 && pair.open(src, 0, src.count, dst, this.#report) !== src.count) throw new Error('no room');
    return { sorted: sorted.join(), ...this.#accepted(pair.sa), highest: pair.highest };
  }

  #accepted(sa: ChildSa) {
    const dst = this.#dst;
    const view = new DataView(dst.arena.buffer, dst.arena.byteOffset);
    const selected: boolean[] = [];
    const payloads: string[] = [];
    for (let slot = 0; slot < dst.count; slot++) {
      const [at = 0, length = 0] = [dst.offsets[slot], dst.lengths[slot]];
      selected.push(matchesSelectors(sa, view, at, length));
      payloads.push(Buffer.from(dst.arena.subarray(at, at + length)).toString('latin1'));
    }
    // Behind the last that was accepted there is its own trailer.
    if (dst.count === 0 && dst.arena.subarray(0, READ).some((byte) => byte !== 0))
      throw new Error('a dropped packet leaves its plaintext');
    dst.arena.fill(0, 0, dst.used + READ);
    return { selected, payloads, report: [...this.#report] };
  }
}

export class World {
  readonly sa: ChildSa;
  readonly esn: boolean;
  readonly model: Model;
  readonly #sides: readonly Side[];

  constructor(algorithms: EspAlgorithms, esn: boolean, random: SeededRandom) {
    const lengths = espKeyLengths(algorithms);
    const keys = (spi: number) => ({
      spi,
      encryptionKey: random.bytes(lengths.encryption),
      integrityKey: random.bytes(lengths.integrity),
    });
    const selector = (port: number) => ({ network: '192.0.2.1/32', protocol: UDP, port });
    const common = { mode: 'transport', udpEncapsulated: true, esn, algorithms } as const;
    const spi = 256 + random.integer(0x7fff_0000);
    this.sa = { ...common, inbound: keys(spi), outbound: keys(spi ^ 1), local: selector(1701), remote: selector(1701) };
    this.esn = esn;
    this.model = new Model(esn);
    this.#sides = (['native', 'portable'] as const).map((implementation) => new Side(implementation, this.sa));
  }

  /** A right packet to each place of the state's window. */
  pilot(state: State): void {
    const start = state === 'late' ? LATE : state === 'moved' ? 3_000 : 5;
    if (state !== 'fresh') {
      for (const step of [-700, -1, 0]) {
        const sequence = Math.max(1, start + step);
        const plain = padded(this.sa.algorithms, udp());
        const expected = this.model.open(sequence, plain);
        const { report } = this.receive([this.seal(plain, sequence)]);
        if (report[EspReport[expected]] !== 1) throw new Error(`no way to ${state}`);
      }
    }
    if (state === 'deleted') for (const { sas } of this.#sides) sas.handleDeleted(1, 'peer', 0 as Instant);
  }

  /** `plain` under the peer's keys, with the whole sequence number `sequence`. */
  seal(plain: Uint8Array, sequence: number, iv = 1): Buffer {
    const high = this.esn ? Math.floor(sequence / HALF) : undefined;
    return espPeerPacket(this.sa.algorithms, this.sa.inbound, plain, { sequence: sequence % HALF, high, iv });
  }

  receive(datagrams: readonly Uint8Array[]): Received {
    const [native, portable] = this.#sides.map((side) => side.receive(datagrams)) as [Received, Received];
    const [one, two] = [native, portable].map((received) => JSON.stringify(received));
    if (one !== two) throw new Error(`native: ${one}; portable: ${two}`);
    return native;
  }

  close(): void {
    for (const { sas } of this.#sides) sas.close();
  }
}

/** UDP as L2TP sends it. */
export function udp(payload = Buffer.from('c802000c', 'hex')): Buffer {
  const head = Buffer.from([6, 165, 6, 165, 0, 8 + payload.length, 0, 0]);
  return Buffer.concat([head, payload]);
}

/** The payload with its trailer: padding 1, 2, 3 ..., its length, the next header. */
export function padded(algorithms: EspAlgorithms, payload: Uint8Array, more = 0): Buffer {
  const block = blockOf(algorithms);
  const length = (block - ((payload.length + 2) % block)) % block;
  const padding = Array.from({ length: length + more * block }, (_, n) => (n + 1) & 0xff);
  return Buffer.concat([payload, Buffer.from([...padding, padding.length & 0xff, UDP])]);
}

export function blockOf({ encryption }: EspAlgorithms): number {
  if (encryption === 'aes-gcm-16') return 4;
  return encryption === 'aes-cbc' ? 16 : 8;
}
