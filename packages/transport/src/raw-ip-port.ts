/**
 * One raw IP socket of the driver: batches in; batches out, those of many users in one system call.
 *
 * A raw socket gets a copy of every packet of its protocol: one serves all users of a listener, or all that a process dials.
 */
import type { PacketBatch } from '@culvert/base';
import { createDatagramBatch, type DatagramBatch, openRawIp, pathWords, type RawIpSocket } from '@culvert/netio';
import { EndOfTurn } from './end-of-turn.ts';
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
  readonly #onBatch: (batch: DatagramBatch) => void;
  #waitingForRoom = false;

  /**
   * Throws NetioError, CULVERT_NETIO_RAW_PERMISSION without CAP_NET_RAW.
   *
   * @param onBatch gets what was read; the batch is lent
   */
  constructor(
    at: { readonly protocol: number; readonly family: 4 | 6; readonly address: string | undefined },
    onBatch: (batch: DatagramBatch) => void,
  ) {
    this.#onBatch = onBatch;
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
    return new RawIpOutbox(this.#out, words, { commit: () => this.#commit(), makeRoom: () => this.#makeRoom() });
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
      this.#onBatch(this.#in);
      if (this.#in.count < FULL_READ) return;
    }
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
      resetBatch(batch);
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

export class RawIpOutbox implements Outbox {
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

  open(): PacketBatch {
    return this.batch;
  }

  commit(from: number): void {
    for (let slot = from; slot < this.#datagrams.count; slot++)
      this.#datagrams.paths.set(this.#words, slot * pathWords);
    this.#port.commit();
  }

  makeRoom(): boolean {
    return this.#port.makeRoom();
  }
}
