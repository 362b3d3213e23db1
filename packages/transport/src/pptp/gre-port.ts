/**
 * The raw sockets of GRE: batches in, to the calls that they belong to.
 *
 * GRE has no ports: one port serves all calls of a listener, or all that a process dials. A packet that is no call's is dropped before
 * anything is done with it.
 */
import type { PacketBatch, Path } from '@culvert/base';
import { type DatagramBatch, encodePath, pathWords, type RawIpSocket } from '@culvert/netio';
import { CallTable, callIdOf, GRE_PROTOCOL, isGre } from '@culvert/pptp';
import { systemRandom } from '../clock.ts';
import type { FaultLog } from '../fault-log.ts';
import { type RawIpOutbox, RawIpPort } from '../raw-ip-port.ts';

/** Words of a path record: where the addresses lie (IPv4 has one word of four). */
const REMOTE = 0;
const LOCAL = 4;

/** A call, as the port knows it. */
export interface GreCall {
  /** Packets `first` to `first + count - 1`, of this call alone. The batch is lent. */
  handlePackets(batch: PacketBatch, first: number, count: number): void;
}

export class GrePort {
  readonly stats = {
    packetsIn: 0,
    malformed: 0,
    /** Of no call, or from elsewhere than its peer. */
    strange: 0,
  };
  readonly #calls = new CallTable<GreCall>(systemRandom);
  readonly #port: RawIpPort;

  /** Throws NetioError, CULVERT_NETIO_RAW_PERMISSION without CAP_NET_RAW. */
  constructor(address: string | undefined, faults: FaultLog) {
    const at = { protocol: GRE_PROTOCOL, family: 4, address } as const;
    this.#port = new RawIpPort(at, faults, (batch, first) => this.#hand(batch, first));
  }

  get socketStats(): RawIpSocket['stats'] {
    return this.#port.stats;
  }

  /** A call id for a new call; undefined when none is free. */
  take(): number | undefined {
    return this.#calls.take();
  }

  give(callId: number): void {
    this.#calls.give(callId);
  }

  /** From now on `call` gets what comes under `callId` on `path`, which is its control connection's. Returns where its packets go. */
  connect(callId: number, call: GreCall, path: Path): RawIpOutbox {
    const { address } = path.remote;
    const words = encodePath({ local: path.local.address, remote: { address, port: 0 } }, 4);
    this.#calls.connect(callId, call, words[REMOTE] ?? 0, words[LOCAL] ?? 0);
    return this.#port.outboxOn(words);
  }

  /** What waits is sent before. */
  close(): void {
    this.#port.close();
  }

  /** Hands the run of packets of one call that begins with `first` to it. Returns the index behind. */
  #hand(batch: DatagramBatch, first: number): number {
    if (first === 0) this.stats.packetsIn += batch.count;
    const call = this.#callOf(batch, first);
    let end = first + 1;
    if (call === undefined) {
      if (isGreAt(batch, first)) this.stats.strange++;
      else this.stats.malformed++;
      return end;
    }
    while (end < batch.count && this.#callOf(batch, end) === call) end++;
    call.handlePackets(batch, first, end - first);
    return end;
  }

  #callOf(batch: DatagramBatch, slot: number): GreCall | undefined {
    if (!isGreAt(batch, slot)) return undefined;
    const { view, offsets, paths } = batch;
    const path = slot * pathWords;
    const callId = callIdOf(view, offsets[slot] ?? 0);
    return this.#calls.find(callId, paths[path + REMOTE] ?? 0, paths[path + LOCAL] ?? 0);
  }
}

function isGreAt({ view, offsets, lengths }: DatagramBatch, slot: number): boolean {
  return isGre(view, offsets[slot] ?? 0, lengths[slot] ?? 0);
}
