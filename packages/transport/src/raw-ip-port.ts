/**
 * One raw IP socket of the driver: batches in; batches out, those of many users in one system call.
 *
 * A raw socket gets a copy of every packet of its protocol: one serves all users of a listener, or all that a process dials.
 */
import type { PacketBatch } from '@culvert/base';
import { createDatagramBatch, type DatagramBatch, openRawIp, pathWords, type RawIpSocket } from '@culvert/netio';
import { EndOfTurn } from './end-of-turn.ts';
import type { FaultLog } from './fault-log.ts';
import { type Outbox, resetBatch } from './outbox.ts';

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

export class RawIpPort {
  readonly #socket: RawIpSocket;
  readonly #in = createDatagramBatch(IN_SLOTS, IN_BYTES);
  readonly #out = createDatagramBatch(OUT_SLOTS, OUT_BYTES);
  readonly #endOfTurn = new EndOfTurn(() => this.#flush());
  readonly #faults: FaultLog;
  readonly #onPackets: (batch: DatagramBatch, first: number) => number;
  /** Packets that wait with their paths. What stands behind them before anybody appends is of a sender that failed, and has none. */
  #committed = 0;
  #waitingForRoom = false;

  /**
   * Throws NetioError, CULVERT_NETIO_RAW_PERMISSION without CAP_NET_RAW.
   *
   * @param onPackets takes packet `first` and those behind it that are handled with it, and returns the index behind them. Where it throws
   * that one is lost, and it is called for the next. The batch is lent.
   */
  constructor(
    at: { readonly protocol: number; readonly family: 4 | 6; readonly address: string | undefined },
    faults: FaultLog,
    onPackets: (batch: DatagramBatch, first: number) => number,
  ) {
    this.#faults = faults;
    this.#onPackets = onPackets;
    const { protocol, family, address } = at;
    this.#socket = openRawIp({
      family,
      protocol,
      ...(address !== undefined && { address }),
      // An outer packet too long for some link on the way is cut there: peers are told no smaller MTU than they asked for.
      pathMtu: 'dont',
      receiveBufferBytes: KERNEL_BUFFER_BYTES,
      sendBufferBytes: KERNEL_BUFFER_BYTES,
    });
    this.#socket.onReadable(() => this.#read());
  }

  get stats(): RawIpSocket['stats'] {
    return this.#socket.stats;
  }

  /** Where packets for the path with these words are appended, to leave at the end of the turn in the order in which they were. */
  outboxOn(words: Uint32Array): RawIpOutbox {
    const port = { commit: (from: number) => this.#commit(from), makeRoom: () => this.#makeRoom() };
    return new RawIpOutbox(this.#out, words, port);
  }

  /** What waits is sent before. */
  close(): void {
    if (this.#socket.closed) return;
    this.#flush();
    this.#socket.close();
  }

  #read(): void {
    for (let reads = 0; reads < READS_A_TURN && !this.#socket.closed; reads++) {
      resetBatch(this.#in);
      if (this.#socket.recvBatch(this.#in) === 0) return;
      this.#hand(this.#in);
      if (this.#in.count < FULL_READ) return;
    }
  }

  /** Above here is the event loop: what it is given ends the process, with the links of everybody. */
  #hand(batch: DatagramBatch): void {
    for (let next = 0; next < batch.count; next++) {
      try {
        while (next < batch.count) next = this.#onPackets(batch, next);
      } catch (error) {
        this.#faults.tell('a packet', error, 'lost');
      }
    }
  }

  #commit(from: number): void {
    this.#out.lengths.fill(0, this.#committed, from);
    this.#committed = this.#out.count;
    if (!this.#waitingForRoom) this.#endOfTurn.ask();
  }

  #makeRoom(): boolean {
    if (!this.#waitingForRoom) this.#flush();
    return this.#committed === 0;
  }

  #flush(): void {
    if (this.#committed === 0 || this.#socket.closed) return;
    const batch = this.#out;
    batch.count = this.#committed;
    let sent = batch.count;
    try {
      sent = this.#socket.sendBatch(batch);
    } catch (error) {
      this.#faults.tell('what waited to be sent', error, 'lost');
    }
    if (sent >= batch.count) {
      resetBatch(batch);
      this.#committed = 0;
      return;
    }
    // Only descriptors move to the front; the bytes stay where they are.
    batch.offsets.copyWithin(0, sent, batch.count);
    batch.lengths.copyWithin(0, sent, batch.count);
    batch.paths.copyWithin(0, sent * pathWords, batch.count * pathWords);
    batch.count -= sent;
    this.#committed = batch.count;
    this.#waitingForRoom = true;
    this.#socket.onWritable(() => {
      this.#waitingForRoom = false;
      this.#flush();
    });
  }
}

interface Waiting {
  /** Packets from slot `from` on have their paths. */
  commit(from: number): void;
  makeRoom(): boolean;
}

export class RawIpOutbox implements Outbox {
  readonly batch: PacketBatch;
  readonly #datagrams: DatagramBatch;
  readonly #words: Uint32Array;
  readonly #port: Waiting;

  constructor(batch: DatagramBatch, words: Uint32Array, port: Waiting) {
    this.batch = batch;
    this.#datagrams = batch;
    this.#words = words;
    this.#port = port;
  }

  open(): PacketBatch {
    return this.batch;
  }

  commit(from: number): void {
    for (let slot = from; slot < this.#datagrams.count; slot++)
      this.#datagrams.paths.set(this.#words, slot * pathWords);
    this.#port.commit(from);
  }

  makeRoom(): boolean {
    return this.#port.makeRoom();
  }
}
