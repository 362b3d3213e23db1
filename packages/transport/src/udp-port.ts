/**
 * One UDP socket of the driver: batches in, batches out, and paths between netio's records and the machines' text form.
 */
import type { Endpoint, Instant, Logger, Path } from '@culvert/base';
import { SecondLimit } from '@culvert/core';
import {
  createDatagramBatch,
  type DatagramBatch,
  endpointOfPath,
  openUdp,
  pathWords,
  samePath,
  type UdpSocket,
} from '@culvert/netio';
import { systemClock } from './clock.ts';
import { EndOfTurn } from './end-of-turn.ts';
import type { FaultLog } from './fault-log.ts';
import { InboundShare, singleRoom, trainRoom } from './inbound-share.ts';
import { type Outbox, resetBatch } from './outbox.ts';
import { OuterMtu, QUESTIONS_A_SECOND } from './outer-mtu.ts';

/** Datagrams written in one go: several trains. A super-packet of the smallest segments that the kernel makes (36 bytes) has 1,820. */
const OUT_SLOTS = 2_048;
const OUT_BYTES = 768 * 1_024;
/** The longest datagram that is taken, where nothing else is said. */
const DEFAULT_SLOT_BYTES = 2_048;
/** Datagrams read in one go: trains of up to 64 KiB, each many datagrams. */
const IN_SLOTS = 1_024;
const IN_BYTES = 16 * 65_536;
/** After a shorter read nothing waits, most likely. */
const FULL_READ = 64;
/** Batches read before other work of the loop gets its turn. */
const READS_A_TURN = 4;
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;
/**
 * Twice this waits in front of a wire that is slower than we are: 8 ms of a gigabit, for all links together, first come first served. The socket
 * is writable again at half of it, when 4 ms are left to wake up in. Behind 100 Mbit/s and a flood of 20 times that to one peer, 42 of 200 packets to another came in time
 * with 4 MiB, 190 with this (narrow-wire.test.ts).
 */
const SEND_BUFFER_BYTES = 512 * 1_024;
/**
 * A full queue is read by then: the kernel counts at least 768 of twice `RECEIVE_BUFFER_BYTES` for a datagram, and a read takes 900 of them, or 110
 * where the kernel gives no trains and they may have 9,000 bytes. What comes all the time would be read for ever.
 */
const MOST_STALE_READS = 128;
/** As many handshakes as are under way at a time on a busy gateway. A power of two. */
const RECENT_PATHS = 256;

export function createDatagrams(): DatagramBatch {
  return createDatagramBatch(IN_SLOTS, IN_BYTES);
}

/** A path whose record the socket understands without another look. */
export class UdpPath implements Path {
  readonly socket: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #key: string;
  readonly #words: Uint32Array;
  readonly #port: UdpPort;
  #outerMtu: OuterMtu | undefined;

  /** @param local our address, where the words leave it to the kernel */
  constructor(port: UdpPort, words: Uint32Array, local?: string) {
    const text = endpointOfPath(words);
    this.socket = port.number;
    this.local = { address: local ?? text.local, port: port.socket.local.port };
    this.remote = text.remote;
    this.#key = pathKey(this);
    this.#words = words;
    this.#port = port;
  }

  /** Whose path it is: a peer may move from one socket to another, also of the other IP version. */
  get port(): UdpPort {
    return this.#port;
  }

  /** As `pathKey` spells it. */
  get key(): string {
    return this.#key;
  }

  /** netio's record. Not a field, so that a path in a log is what people read. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Bytes of the longest outer packet that leaves whole on it. From the first look on the port keeps it true while the path is sent on. */
  get outerMtu(): number {
    this.#outerMtu ??= new OuterMtu(this.#port.socket.family, () => this.#port.pathMtu(this.#words));
    return this.#outerMtu.bytes;
  }

  /** Whether somebody has looked at `outerMtu`: strangers' paths cost no question. */
  get isMeasured(): boolean {
    return this.#outerMtu !== undefined;
  }

  /** See `OuterMtu.handleSent`. */
  handleSent(now: Instant, refused: boolean): boolean {
    return this.#outerMtu?.handleSent(now, refused) ?? false;
  }
}

export class UdpPort {
  readonly socket: UdpSocket;
  readonly number: number;
  /** Who may have how much of the batch that was read. */
  readonly share: InboundShare;
  readonly #in: DatagramBatch;
  readonly #out: DatagramBatch;
  readonly #endOfTurn = new EndOfTurn(() => this.#flush());
  readonly #log: Logger;
  readonly #faults: FaultLog;
  readonly #onDatagrams: (batch: DatagramBatch, first: number, port: UdpPort) => number;
  /** Paths that were told of last: a handshake asks for its path with each datagram, and the text of the addresses costs microseconds. */
  readonly #recent: (UdpPath | undefined)[] = new Array(RECENT_PATHS).fill(undefined);
  /** Datagrams that wait with their paths. What stands behind them in the batch is of a sender that failed, and has none. */
  #committed = 0;
  /** Whose datagrams wait: `#senderCount` measured paths, in part more than once. */
  readonly #senders: UdpPath[] = [];
  #senderCount = 0;
  #lastSender: UdpPath | undefined;
  readonly #questions = new SecondLimit(QUESTIONS_A_SECOND);
  #segmentation: 'on' | 'off';
  #toldOfFallback = false;
  #waitingForRoom = false;

  constructor(options: {
    readonly family: 4 | 6;
    readonly address?: string;
    readonly port?: number;
    readonly number: number;
    /** What is read goes here; in use for the length of a call, so ports of one thread share it. */
    readonly scratch: DatagramBatch;
    /** Send and take trains. @default where the kernel has them */
    readonly trains?: boolean | undefined;
    /** The longest datagram that is taken, in bytes; longer ones are counted. @default 2048 */
    readonly slotBytes?: number | undefined;
    readonly log: Logger;
    readonly faults: FaultLog;
    /** Several sockets of this user have the port; see `UdpOptions.steering`. Reading begins with `start`. */
    readonly steering?: Uint32Array | undefined;
    /**
     * Takes datagram `first` and those behind it that are handled with it; returns the index behind them. Where it throws that one is lost,
     * and it is called for the next. The batch is lent for the call.
     */
    readonly onDatagrams: (batch: DatagramBatch, first: number, port: UdpPort) => number;
  }) {
    this.number = options.number;
    this.#log = options.log;
    this.#faults = options.faults;
    const { slotBytes = DEFAULT_SLOT_BYTES } = options;
    this.socket = openUdp({
      family: options.family,
      ...(options.address !== undefined && { address: options.address }),
      ...(options.port !== undefined && { port: options.port }),
      ...(options.trains !== undefined && { segmentation: options.trains, coalescing: options.trains }),
      slotBytes,
      ...(options.steering !== undefined && { reusePort: true, steering: options.steering }),
      receiveBufferBytes: RECEIVE_BUFFER_BYTES,
      sendBufferBytes: SEND_BUFFER_BYTES,
    });
    this.share = new InboundShare(systemClock.now(), {
      ...(this.socket.stats.coalescing === 'on' ? trainRoom : singleRoom(slotBytes)),
      size: this.socket.bufferSizes.receive,
      queued: () => this.socket.queued,
    });
    this.#in = options.scratch;
    this.#out = createDatagramBatch(OUT_SLOTS, OUT_BYTES);
    this.#segmentation = this.socket.stats.segmentation;
    this.#tellWhatIsMissing();
    this.#onDatagrams = options.onDatagrams;
    if (options.steering === undefined) this.#read();
  }

  /** Reads from here on; what waits by now is thrown away. */
  start(): void {
    if (this.socket.closed) return;
    for (let reads = 0; reads < MOST_STALE_READS; reads++) {
      resetBatch(this.#in);
      if (this.socket.recvBatch(this.#in) === 0) break;
    }
    this.#read();
  }

  #read(): void {
    this.socket.onReadable(() => {
      for (let reads = 0; reads < READS_A_TURN && !this.socket.closed; reads++) {
        resetBatch(this.#in);
        if (this.socket.recvBatch(this.#in) === 0) return;
        this.#hand(this.#in);
        // The socket calls again while something waits.
        if (this.#in.count < FULL_READ) return;
      }
    });
  }

  /** Above here is the event loop: what it is given ends the process, with the links of everybody. */
  #hand(batch: DatagramBatch): void {
    this.share.begin(batch, systemClock.now());
    for (let next = 0; next < batch.count; next++) {
      try {
        while (next < batch.count) next = this.#onDatagrams(batch, next, this);
      } catch (error) {
        this.#faults.tell('a datagram', error, 'lost');
      }
    }
  }

  /** Whether datagram `i` came on `path`, of this or of another socket. */
  isOn(batch: DatagramBatch, i: number, path: Path): boolean {
    return (
      path instanceof UdpPath && path.socket === this.number && samePath(batch.paths, i * pathWords, path.words, 0)
    );
  }

  /** The path of datagram `i`: an object of its own, or the one that an earlier datagram got. */
  pathOf(batch: DatagramBatch, i: number): UdpPath {
    const at = i * pathWords;
    const slot = slotOf(batch.paths, at);
    const known = this.#recent[slot];
    if (known !== undefined && samePath(batch.paths, at, known.words, 0)) return known;
    const path = this.pathFrom(batch.paths.slice(at, at + pathWords));
    this.#recent[slot] = path;
    return path;
  }

  pathFrom(words: Uint32Array, local?: string): UdpPath {
    return new UdpPath(this, words, local);
  }

  /** Where data for `path` is appended: with the port that the path belongs to by then. */
  static outboxFor(path: () => UdpPath): Outbox {
    return {
      open: () => path().port.#open(),
      commit: (from) => path().port.#commit(from, path()),
      makeRoom: () => path().port.#makeRoom(),
    };
  }

  /**
   * One control packet. It leaves at the end of the turn with the rest of its flight, which is a train. Where there is no room it is
   * lost, and the reliability layer sends it again.
   */
  send(datagram: Uint8Array, path: UdpPath): void {
    if (this.socket.closed || (!this.#fits(datagram) && !this.#makeRoom())) return;
    const out = this.#open();
    const slot = out.count++;
    out.arena.set(datagram, out.used);
    out.offsets[slot] = out.used;
    out.lengths[slot] = datagram.length;
    out.tags[slot] = 0;
    out.used += datagram.length;
    this.#commit(slot, path);
  }

  /** What the kernel knows of the path; see `PacketSocket.pathMtu`. Undefined, too, after many questions. */
  pathMtu(words: Uint32Array): number | undefined {
    return this.socket.closed || !this.#questions.take(systemClock.now()) ? undefined : this.socket.pathMtu(words);
  }

  close(): void {
    if (this.socket.closed) return;
    this.#flush();
    this.socket.close();
  }

  #tellWhatIsMissing(): void {
    const { segmentation, segmentationOff, coalescing, coalescingOff } = this.socket.stats;
    const fields = { family: this.socket.family, port: this.socket.local.port };
    if (segmentation === 'off') this.#log.info('datagrams leave one by one', { ...fields, reason: segmentationOff });
    if (coalescing === 'off') this.#log.info('datagrams come one by one', { ...fields, reason: coalescingOff });
  }

  #tellSwitchedOff(): void {
    this.#segmentation = this.socket.stats.segmentation;
    const { family, local, stats } = this.socket;
    const fields = { family, port: local.port, reason: stats.segmentationOff };
    this.#log.warn('the kernel takes no trains here: datagrams leave one by one from now on', fields);
  }

  /** Once: `trainFallbacks` goes on counting. */
  #tellFallback(): void {
    this.#toldOfFallback = true;
    const fields = { family: this.socket.family, port: this.socket.local.port };
    this.#log.info('a train was too long for its path, or for the kernel: its datagrams leave one by one', fields);
  }

  #open(): DatagramBatch {
    this.#out.count = this.#committed;
    return this.#out;
  }

  #fits({ length }: Uint8Array): boolean {
    return this.#committed < OUT_SLOTS && length <= OUT_BYTES - this.#out.used;
  }

  #makeRoom(): boolean {
    if (!this.#waitingForRoom) this.#flush();
    return this.#committed === 0;
  }

  #commit(from: number, path: UdpPath): void {
    const { paths, count } = this.#out;
    const { words } = path;
    this.#committed = count;
    if (path.isMeasured && this.#lastSender !== path) this.#addSender(path);
    const first = from * pathWords;
    const end = count * pathWords;
    for (let i = 0; i < pathWords; i++) paths[first + i] = words[i] as number;
    // What is there doubles with each copy: six calls for a train of 45.
    for (let next = first + pathWords; next < end; next += next - first) {
      paths.copyWithin(next, first, Math.min(next, first + end - next));
    }
    if (!this.#waitingForRoom) this.#endOfTurn.ask();
  }

  /** Behind a full queue the list grows until all has left; who is forgotten then is asked about a minute later. */
  #addSender(path: UdpPath): void {
    if (this.#senderCount === OUT_SLOTS) this.#senderCount = 0;
    this.#senders[this.#senderCount++] = path;
    this.#lastSender = path;
  }

  /** Learns what the paths take that were sent on. `refused`: a train was, on one of them. */
  #lookAtPaths(refused: boolean): void {
    if (this.#senderCount === 0) return;
    const now = systemClock.now();
    for (let i = 0; i < this.#senderCount; i++) {
      const path = this.#senders[i] as UdpPath;
      if (!path.handleSent(now, refused)) continue;
      this.#log.debug('a path takes packets of another size', { remote: path.remote.address, bytes: path.outerMtu });
    }
  }

  #flush(): void {
    if (this.#committed === 0 || this.socket.closed) return;
    const batch = this.#open();
    const fallbacks = this.socket.stats.trainFallbacks;
    let sent = batch.count;
    try {
      sent = this.socket.sendBatch(batch);
    } catch (error) {
      this.#faults.tell('what waited to be sent', error, 'lost');
    }
    if (this.socket.stats.segmentation !== this.#segmentation) this.#tellSwitchedOff();
    if (!this.#toldOfFallback && this.socket.stats.trainFallbacks !== 0) this.#tellFallback();
    this.#lookAtPaths(this.socket.stats.trainFallbacks !== fallbacks);
    if (sent >= batch.count) {
      resetBatch(batch);
      this.#committed = 0;
      this.#senderCount = 0;
      this.#lastSender = undefined;
      return;
    }
    keepFrom(batch, sent);
    this.#committed = batch.count;
    if (this.#waitingForRoom) return;
    this.#waitingForRoom = true;
    this.socket.onWritable(() => {
      this.#waitingForRoom = false;
      this.#flush();
    });
  }
}

function slotOf(paths: Uint32Array, at: number): number {
  let hash = 0;
  for (let i = 0; i < pathWords; i++) hash = Math.imul(hash ^ (paths[at + i] ?? 0), 0x9e37_79b1);
  return (hash >>> 16) & (RECENT_PATHS - 1);
}

/** A path as text, for tables. */
export function pathKey({ socket, local, remote }: Path): string {
  return `${socket}|${remote.address}|${remote.port}|${local.address}`;
}

/** Moves the descriptors of what has not left to the front; the bytes stay where they are. */
function keepFrom(batch: DatagramBatch, first: number): void {
  batch.offsets.copyWithin(0, first, batch.count);
  batch.lengths.copyWithin(0, first, batch.count);
  batch.tags.copyWithin(0, first, batch.count);
  batch.paths.copyWithin(0, first * pathWords, batch.count * pathWords);
  batch.count -= first;
}
