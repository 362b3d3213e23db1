/**
 * The raw sockets of GRE: batches in, to the calls that they belong to; batches out, those of many calls in one system call.
 *
 * GRE has no ports, and the kernel gives each raw socket a copy of every packet: one port serves all calls of a listener, or all that
 * a process dials. A packet that is no call's is dropped before anything is done with it.
 */
import type { PacketBatch, Path } from '@culvert/base';
import {
  createDatagramBatch,
  type DatagramBatch,
  encodePath,
  openRawIp,
  pathWords,
  type RawIpSocket,
} from '@culvert/netio';
import { CallTable, callIdOf, GRE_PROTOCOL, isGre } from '@culvert/pptp';
import { systemRandom } from '../clock.ts';
import { EndOfTurn } from '../end-of-turn.ts';

/** A super-packet of the smallest segments that the kernel makes has 1,820. */
const OUT_SLOTS = 2_048;
const OUT_BYTES = 3 * 1_024 * 1_024;
const IN_SLOTS = 512;
const IN_BYTES = 1_536 * 1_024;
/** After a shorter read nothing waits, most likely. */
const FULL_READ = 64;
/** Batches read before other work of the loop gets its turn. */
const READS_A_TURN = 4;
const KERNEL_BUFFER_BYTES = 4 * 1_024 * 1_024;
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
  readonly #socket: RawIpSocket;
  readonly #in = createDatagramBatch(IN_SLOTS, IN_BYTES);
  readonly #out = createDatagramBatch(OUT_SLOTS, OUT_BYTES);
  readonly #endOfTurn = new EndOfTurn(() => this.#flush());
  #waitingForRoom = false;

  /** Throws NetioError, CULVERT_NETIO_RAW_PERMISSION without CAP_NET_RAW. */
  constructor(address: string | undefined) {
    this.#socket = openRawIp({
      family: 4,
      protocol: GRE_PROTOCOL,
      ...(address !== undefined && { address }),
      // An outer packet too long for some link on the way is cut there: peers are told no smaller MTU than they asked for.
      pathMtu: 'dont',
      receiveBufferBytes: KERNEL_BUFFER_BYTES,
      sendBufferBytes: KERNEL_BUFFER_BYTES,
    });
    this.#socket.onReadable(() => this.#read());
  }

  get socketStats(): RawIpSocket['stats'] {
    return this.#socket.stats;
  }

  /** A call id for a new call; undefined when none is free. */
  take(): number | undefined {
    return this.#calls.take();
  }

  give(callId: number): void {
    this.#calls.give(callId);
  }

  /** From now on `call` gets what comes under `callId` on `path`, which is its control connection's. Returns where its packets go. */
  connect(callId: number, call: GreCall, path: Path): GreOutbox {
    const { address } = path.remote;
    const words = encodePath({ local: path.local.address, remote: { address, port: 0 } }, 4);
    this.#calls.connect(callId, call, words[REMOTE] ?? 0, words[LOCAL] ?? 0);
    return new GreOutbox(this.#out, words, {
      commit: () => this.#commit(),
      makeRoom: () => this.#makeRoom(),
    });
  }

  /** What waits is sent before. */
  close(): void {
    if (this.#socket.closed) return;
    this.#flush();
    this.#socket.close();
  }

  #read(): void {
    for (let reads = 0; reads < READS_A_TURN && !this.#socket.closed; reads++) {
      const batch = this.#in;
      batch.count = 0;
      batch.used = 0;
      if (this.#socket.recvBatch(batch) === 0) return;
      this.#hand(batch);
      if (batch.count < FULL_READ) return;
    }
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

  #commit(): void {
    if (!this.#waitingForRoom) this.#endOfTurn.ask();
  }

  #makeRoom(): boolean {
    if (!this.#waitingForRoom) this.#flush();
    return this.#out.count === 0;
  }

  #flush(): void {
    const batch = this.#out;
    if (batch.count === 0 || this.#socket.closed) return;
    const sent = this.#socket.sendBatch(batch);
    if (sent >= batch.count) {
      batch.count = 0;
      batch.used = 0;
      return;
    }
    // Only descriptors move to the front; the bytes stay where they are.
    batch.offsets.copyWithin(0, sent, batch.count);
    batch.lengths.copyWithin(0, sent, batch.count);
    batch.paths.copyWithin(0, sent * pathWords, batch.count * pathWords);
    batch.count -= sent;
    this.#waitingForRoom = true;
    this.#socket.onWritable(() => {
      this.#waitingForRoom = false;
      this.#flush();
    });
  }
}

/** Where one call's packets are appended, to leave at the end of the turn in the order in which they were. */
export class GreOutbox {
  readonly batch: PacketBatch;
  readonly #datagrams: DatagramBatch;
  readonly #words: Uint32Array;
  readonly #port: { commit(): void; makeRoom(): boolean };

  constructor(batch: DatagramBatch, words: Uint32Array, port: { commit(): void; makeRoom(): boolean }) {
    this.batch = batch;
    this.#datagrams = batch;
    this.#words = words;
    this.#port = port;
  }

  /** What stands in the batch from slot `from` on may leave. */
  commit(from: number): void {
    for (let slot = from; slot < this.#datagrams.count; slot++)
      this.#datagrams.paths.set(this.#words, slot * pathWords);
    this.#port.commit();
  }

  /** Sends what was committed. True: the batch is empty now. */
  makeRoom(): boolean {
    return this.#port.makeRoom();
  }
}
