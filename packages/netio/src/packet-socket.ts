import type { Endpoint } from '@culvert/base';
import type { DatagramBatch } from './batch.ts';
import { BoundBatch } from './bound-batch.ts';
import { NetioError } from './errors.ts';
import { native, systemError } from './native.ts';
import type { IpVersion } from './path.ts';
import { createStats, type SocketStats } from './stats.ts';

const READABLE = 1;
const WRITABLE = 2;

/** The longest IPv4 header. */
const ipHeaderBytes = 60;

/** The word of the receive report that is no counter. */
const LEFT = 4;

/**
 * A socket of one IP version that moves datagrams in batches and keeps the local address of each.
 *
 * Whoever opens it (`openUdp`, `openRawIp`) closes it. Calls after `close` throw CULVERT_NETIO_CLOSED.
 */
export class PacketSocket {
  readonly family: IpVersion;
  /** Where it was bound when it was opened. */
  readonly local: Endpoint;
  readonly stats: SocketStats = createStats();
  readonly #fd: number;
  /** Arena bytes for one datagram. */
  readonly #slotBytes: number;
  /** Native counters: truncated, empty, errno, trains; then the bytes left in the spill. */
  readonly #receiveReport = new Uint32Array(5);
  /** Native counters: sent, errors, full, errno, trains, fallbacks. */
  readonly #sendReport = new Uint32Array(6);
  /** Empty where the socket sends no trains. */
  readonly #segmentation: Uint32Array;
  readonly #receiving: BoundBatch;
  readonly #sending: BoundBatch;
  /** Whether the kernel gives each datagram behind an IPv4 header. */
  readonly #headers: boolean;
  /** The next look at a spill that the reader left, which no event of the descriptor tells of. */
  #leftover: NodeJS.Immediate | undefined;
  readonly #ready = (status: number, events: number) => this.#handleReady(status, events);
  #readable: (() => void) | undefined;
  #writable: (() => void) | undefined;
  #closed = false;

  /** Owns the descriptor from here on. For the classes of each kind of socket. */
  constructor(options: {
    readonly fd: number;
    readonly family: IpVersion;
    readonly local: Endpoint;
    readonly slotBytes: number;
    readonly headers: boolean;
    readonly segmentation: Uint32Array;
    /** Empty where the kernel gives no trains. */
    readonly spill: Uint8Array;
    readonly spillState: Uint32Array;
  }) {
    const { fd, spill, spillState, segmentation } = options;
    this.#fd = fd;
    this.family = options.family;
    this.#slotBytes = options.slotBytes + (options.headers ? ipHeaderBytes : 0);
    this.#headers = options.headers;
    this.#segmentation = segmentation;
    if (segmentation.length > 0) segmentation[0] = 1;
    this.#receiving = new BoundBatch(({ arena, offsets, lengths, paths, runs }) =>
      native.bind(fd, 0, arena, spill, offsets, lengths, paths, runs, this.#receiveReport, spillState),
    );
    this.#sending = new BoundBatch(({ arena, offsets, lengths, paths }) =>
      native.bind(fd, 1, arena, undefined, offsets, lengths, paths, this.#sendReport, segmentation),
    );
    this.local = options.local;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Append waiting datagrams behind `batch.count` and `batch.used`, with their paths. Returns how many; zero means that none waits
   * or that the batch is full; more may wait behind any other number. Throws RangeError for an empty batch that has no room for one.
   *
   * With `coalescing` a batch should have room for several trains: 64 KiB of arena and 128 slots each. A smaller one costs a
   * system call and a copy for each train.
   */
  recvBatch(batch: DatagramBatch): number {
    const { arena, offsets, lengths, count, used } = batch;
    const report = this.#receiveReport;
    const fd = this.#open();
    this.#receiving.use(batch);
    const n = native.receiveBatch(fd, count, used, this.#slotBytes, this.#headers ? 1 : 0);
    if (report[0] !== 0 || report[1] !== 0 || report[2] !== 0 || report[3] !== 0) this.#countReceiveReport();
    if (n > 0) {
      const last = count + n - 1;
      batch.used = (offsets[last] ?? 0) + (lengths[last] ?? 0);
      batch.count = count + n;
      this.stats.received += n;
    } else if (count === 0 && (offsets.length === 0 || arena.length - used < this.#slotBytes)) {
      throw new RangeError(`a batch needs a slot and ${this.#slotBytes} bytes of arena`);
    }
    return n;
  }

  /**
   * Send the batch's datagrams from descriptor `from` on, each by its path; those of length 0 are passed over. Returns how many
   * descriptors are done with, counted from `from`: sent, or refused by the kernel and counted. Fewer than wait means that its
   * queue is full: call again with a later `from`, or drop the rest.
   *
   * With `segmentation` datagrams that follow each other, have one path and one length (the last may be shorter) leave as a train,
   * cheapest where they lie side by side in the arena.
   */
  sendBatch(batch: Readonly<DatagramBatch>, from = 0): number {
    const fd = this.#open();
    this.#sending.use(batch);
    const done = native.sendBatch(fd, this.family, from, batch.count);
    this.#countSendReport();
    return done;
  }

  /** Send one datagram. False when it is lost: the kernel's queue is full, it refused, or there are no bytes. */
  send(bytes: Uint8Array, path: Uint32Array): boolean {
    const fd = this.#open();
    if (bytes.length === 0) return false;
    const sent = native.sendOne(fd, this.family, bytes, path, this.#sendReport);
    this.#countSendReport();
    return sent === 1;
  }

  /** Call `callback` whenever datagrams wait, again and again until they are read; `undefined` stops. Waiting keeps the process alive. */
  onReadable(callback: (() => void) | undefined): void {
    this.#open();
    this.#readable = callback;
    this.#watch();
    this.#lookAtLeftover();
  }

  /** Call `callback` once, when the kernel's send queue has room; `undefined` takes that back. */
  onWritable(callback: (() => void) | undefined): void {
    this.#open();
    this.#writable = callback;
    this.#watch();
  }

  /** The kernel's queues in bytes, its bookkeeping (half of it) included. */
  get bufferSizes(): { readonly receive: number; readonly send: number } {
    const fd = this.#open();
    return { receive: native.getBuffer(fd, 1), send: native.getBuffer(fd, 0) };
  }

  /**
   * What waits to be read, as the kernel counts it against `bufferSizes.receive`: it may be a quarter of that too much while something waits.
   * Zero where the kernel does not tell.
   */
  get queued(): number {
    return Math.max(0, native.getQueued(this.#open()));
  }

  /**
   * The longest packet, IP header included, that the kernel would send in one piece by this path, as it knows now: what the device takes, or what
   * a router answered, which it forgets after ten minutes. Undefined: it knows no way there. Costs some 20 µs, so it is not to be asked
   * for each packet. An answer that somebody forged makes it smaller, down to 552 bytes (IPv4) or 1,280 (IPv6) as Linux is set by itself.
   */
  pathMtu(path: Uint32Array): number | undefined {
    const bytes = native.pathMtu(this.#open(), this.family, path);
    return bytes > 0 ? bytes : undefined;
  }

  setReceiveBuffer(bytes: number): void {
    this.#check('setting the receive buffer', native.setBuffer(this.#open(), 1, bytes));
  }

  setSendBuffer(bytes: number): void {
    this.#check('setting the send buffer', native.setBuffer(this.#open(), 0, bytes));
  }

  /** See `UdpOptions.steering`. */
  setSteering(program: Uint32Array): void {
    this.#check('choosing among the sockets of a port', native.setSteering(this.#open(), program));
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#readable = undefined;
    this.#writable = undefined;
    clearImmediate(this.#leftover);
    native.close(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): number {
    if (this.#closed) throw new NetioError('CULVERT_NETIO_CLOSED');
    return this.#fd;
  }

  #watch(): void {
    const events = (this.#readable ? READABLE : 0) | (this.#writable ? WRITABLE : 0);
    this.#check('waiting', native.watch(this.#fd, events, events === 0 ? undefined : this.#ready));
  }

  #handleReady(status: number, events: number): void {
    if (status < 0) {
      this.#handleSocketError();
      return;
    }
    const writable = this.#writable;
    if ((events & WRITABLE) !== 0 && writable !== undefined) {
      this.#writable = undefined;
      this.#watch();
      writable();
    }
    if ((events & READABLE) !== 0) this.#read();
  }

  #read(): void {
    this.#readable?.();
    this.#lookAtLeftover();
  }

  /** Calls the reader again while the spill holds what its batch had no room for. */
  #lookAtLeftover(): void {
    if (this.#receiveReport[LEFT] === 0 || this.#leftover !== undefined || !this.#readable || this.#closed) return;
    this.#leftover = setImmediate(() => {
      this.#leftover = undefined;
      if (this.#receiveReport[LEFT] !== 0) this.#read();
    });
  }

  /** libuv stops waiting when the socket has an error; with a UDP socket that is some datagram's, and waiting goes on. */
  #handleSocketError(): void {
    const errno = native.takeError(this.#fd);
    if (errno !== 0) this.stats.lastError = systemError(-errno).message;
    this.#watch();
  }

  #countReceiveReport(): void {
    const report = this.#receiveReport;
    this.stats.truncated += report[0] ?? 0;
    this.stats.empty += report[1] ?? 0;
    this.stats.trainsReceived += report[3] ?? 0;
    if (report[2] !== 0) this.stats.lastError = systemError(-(report[2] ?? 0)).message;
    for (let word = 0; word < LEFT; word++) report[word] = 0;
  }

  #countSendReport(): void {
    const report = this.#sendReport;
    this.stats.sent += report[0] ?? 0;
    this.stats.trainsSent += report[4] ?? 0;
    if (report[1] !== 0 || report[2] !== 0) {
      this.stats.sendErrors += report[1] ?? 0;
      this.stats.wouldBlock += report[2] ?? 0;
      if (report[3] !== 0) this.stats.lastError = systemError(-(report[3] ?? 0)).message;
    }
    if (report[5] !== 0) {
      this.stats.trainFallbacks += report[5] ?? 0;
      this.#noticeSwitchedOff();
    }
    for (let word = 0; word < report.length; word++) report[word] = 0;
  }

  #noticeSwitchedOff(): void {
    if (this.#segmentation[0] === 1) return;
    this.stats.segmentation = 'off';
    this.stats.segmentationOff = systemError(-(this.#segmentation[1] ?? 0)).message;
  }

  #check(what: string, returned: number): void {
    if (returned >= 0) return;
    const cause = systemError(returned);
    throw new NetioError('CULVERT_NETIO_SYSTEM', `${what}: ${cause.message}`, { cause });
  }
}
