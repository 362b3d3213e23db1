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
  constructor(address: string | undefined) {
    this.#port = new RawIpPort({ protocol: GRE_PROTOCOL, family: 4, address }, (batch) => this.#hand(batch));
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

  /** Cuts the batch into runs of one call. */
  #hand(batch: DatagramBatch): void {
    this.stats.packetsIn += batch.count;
    let run: GreCall | undefined;
    let first = 0;
    for (let slot = 0; slot < batch.count; slot++) {
      const call = this.#callOf(batch, slot);
      if (call === run) continue;
      run?.handlePackets(batch, first, slot - first);
      run = call;
      first = slot;
    }
    run?.handlePackets(batch, first, batch.count - first);
  }

  #callOf(batch: DatagramBatch, slot: number): GreCall | undefined {
    const { view, offsets, lengths, paths } = batch;
    const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
    if (!isGre(view, at, length)) {
      this.stats.malformed++;
      return undefined;
    }
    const path = slot * pathWords;
    const call = this.#calls.find(callIdOf(view, at), paths[path + REMOTE] ?? 0, paths[path + LOCAL] ?? 0);
    if (call === undefined) this.stats.strange++;
    return call;
  }
}
