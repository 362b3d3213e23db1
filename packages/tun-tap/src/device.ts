import { type Attachment, attachNew, closeUnless, systemError, type TunMode } from './attach.ts';
import { type TunBatch, virtioBytes } from './batch.ts';
import { BoundBatch } from './bound-batch.ts';
import { TunError } from './errors.ts';
import { native } from './native.ts';
import { bestOffloads, type Offload, offloadBits, offloadsOf } from './offloads.ts';

const READABLE = 1;
/** Between looks at an interface that goes away. */
const LOOK_AGAIN_MILLIS = 10;

/** -errno */
const EINVAL = -22;

/** An Ethernet header with one VLAN tag, which the kernel puts in line. */
const frameHeaderBytes = 18;

/** The kernel builds super-packets of at most 64 KiB, headers of the packet included. */
const largestSuperPacket = 65_536;

/** Where the virtio headers are that a batch's packets go with (native/packets.cc). */
const NO_HEADERS = 0;
const HEADERS_IN_ARENA = 1;
const HEADERS_OF_ZEROS = 2;

/** More packets than any batch has slots. */
const MANY = 0xffff_ffff;

/** Words of the native report. */
const PASSED_OVER = 0;
const ERRNO = 1;

export interface TunStats {
  /** Packets that did not fit because the MTU grew behind our back; they are lost. */
  truncated: number;
  /** Packets that the kernel refused to take: malformed, a virtio header that does not fit its packet, or the interface is down. */
  writeErrors: number;
  /** The system's name of the latest write error ("EINVAL"). */
  lastWriteError: string | undefined;
}

/**
 * One queue of a TUN or TAP device. A packet is an IP packet (`tun`) or an Ethernet frame (`tap`); if `vnetHeader` is set there is
 * a virtio header before it, and it may be a super-packet.
 *
 * Whoever opens it closes it. Calls after `close` throw CULVERT_TUN_CLOSED; calls after the interface was deleted throw
 * CULVERT_TUN_GONE.
 */
export class TunDevice {
  /** The interface's name when it was opened. */
  readonly name: string;
  readonly fd: number;
  readonly mode: TunMode;
  readonly multiQueue: boolean;
  readonly vnetHeader: boolean;
  readonly stats: TunStats = { truncated: 0, writeErrors: 0, lastWriteError: undefined };
  readonly #report = new Uint32Array(2);
  readonly #reading: BoundBatch;
  readonly #writing: BoundBatch;
  readonly #ready = (status: number) => this.#handleReady(status);
  #readable: (() => void) | undefined;
  #gone = false;
  #closed = false;
  #maxPacket: number;
  #offloads: readonly Offload[] = [];

  /** Owns the attachment's descriptor from here on, and closes it if it throws. Programs call `openTun`. */
  constructor(attachment: Attachment) {
    this.fd = attachment.fd;
    this.#reading = new BoundBatch(attachment.fd, 0, this.#report);
    this.#writing = new BoundBatch(attachment.fd, 1, this.#report);
    this.name = attachment.name;
    this.mode = attachment.mode;
    this.multiQueue = attachment.multiQueue;
    this.vnetHeader = attachment.vnetHeader;
    this.#maxPacket = closeUnless(this.fd, () => this.#largestPacket());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What the kernel may leave undone, as set through this queue; all queues of a device share it. */
  get offloads(): readonly Offload[] {
    return this.#offloads;
  }

  /** Of all that there are, those that the kernel does not leave undone here. */
  get missingOffloads(): readonly Offload[] {
    return (bestOffloads[0] ?? []).filter((offload) => !this.#offloads.includes(offload));
  }

  /** The largest packet that `readBatch` gives, in bytes: `lengths[i]`, without the virtio header. */
  get maxPacket(): number {
    return this.#maxPacket;
  }

  /**
   * Append waiting packets, at most `most`, behind `batch.count` and `batch.used`. Returns how many; zero means that none waits, or
   * that the batch is full: no slot, or less arena than `maxPacket` + 1 bytes (and `virtioBytes`). Throws RangeError for an empty
   * batch that small or a `most` that is no number from 1 on, and TypeError if batch and device do not agree about virtio headers.
   */
  readBatch(batch: TunBatch, most = MANY): number {
    const { arena, offsets, lengths, count, used } = batch;
    const fd = this.#open();
    if (this.vnetHeader !== (batch.virtio === true)) {
      throw new TypeError(`${this.name} gives packets ${this.vnetHeader ? 'with' : 'without'} virtio headers`);
    }
    const headers = this.vnetHeader ? HEADERS_IN_ARENA : NO_HEADERS;
    this.#reading.use(batch);
    const n = native.readBatch(fd, count, used, this.#maxPacket, headers, most);
    if (this.#report[PASSED_OVER] !== 0) this.#countTruncated();
    if (n > 0) {
      const last = count + n - 1;
      batch.used = (offsets[last] ?? 0) + (lengths[last] ?? 0);
      batch.count = count + n;
      return n;
    }
    if (n < 0) {
      const failure = this.#failure('reading', n);
      this.#gone = failure.code === 'CULVERT_TUN_GONE';
      throw failure;
    }
    const largest = this.#maxPacket + (this.vnetHeader ? virtioBytes : 0);
    if (count === 0 && (offsets.length === 0 || arena.length - used <= largest)) {
      throw new RangeError(`a batch needs a slot and more than ${largest} bytes of arena`);
    }
    return 0;
  }

  /**
   * Write the batch's packets in order, without those of length 0. Returns how many the kernel took; it stops where the kernel's queue is
   * full. A device with virtio headers takes batches with and without them; one that has none throws TypeError for `virtio: true`.
   */
  writeBatch(batch: Readonly<TunBatch>): number {
    const fd = this.#open();
    if (batch.virtio === true && !this.vnetHeader) throw new TypeError(`${this.name} takes no virtio headers`);
    const headers = !this.vnetHeader ? NO_HEADERS : batch.virtio === true ? HEADERS_IN_ARENA : HEADERS_OF_ZEROS;
    this.#writing.use(batch);
    const n = native.writeBatch(fd, batch.count, headers);
    if (this.#report[PASSED_OVER] !== 0) this.#countRefused();
    if (n < 0) throw this.#failure('writing', n);
    return n;
  }

  /**
   * Call `callback` whenever packets wait, again and again until they are read; `undefined` stops. Waiting keeps the process
   * alive. A callback whose `readBatch` throws CULVERT_TUN_GONE is called no more.
   */
  onReadable(callback: (() => void) | undefined): void {
    this.#open();
    this.#readable = callback;
    this.#watch();
  }

  /** Open one more queue of this device; the kernel spreads flows over all of them. Needs `multiQueue`. */
  addQueue(): TunDevice {
    this.#open();
    if (!this.multiQueue) throw new TunError('CULVERT_TUN_QUEUES', 'open it with multiQueue: true');
    const queue = new TunDevice(attachNew({ ...this.#settings(), name: this.#presentName() }));
    queue.#offloads = this.#offloads;
    return queue;
  }

  /** Bytes of the largest IP packet. */
  get mtu(): number {
    const mtu = native.getMtu(this.#open());
    if (mtu < 0) throw this.#failure('asking for the MTU', mtu);
    return mtu;
  }

  setMtu(mtu: number): void {
    const fd = this.#open();
    if (!Number.isInteger(mtu) || mtu < 0 || mtu > 65_535) throw new TunError('CULVERT_TUN_MTU', String(mtu));
    const failed = native.setMtu(fd, mtu);
    if (failed === EINVAL) throw new TunError('CULVERT_TUN_MTU', String(mtu), { cause: systemError(failed) });
    if (failed < 0) throw this.#failure('setting the MTU', failed);
    this.#maxPacket = this.#largestPacket();
  }

  setUp(): void {
    this.#set('setting up', native.setUp(this.#open(), 1));
    this.#maxPacket = this.#largestPacket();
  }

  setDown(): void {
    this.#set('setting down', native.setUp(this.#open(), 0));
  }

  /** Whether the interface stays when its last queue is closed. */
  setPersist(persist: boolean): void {
    this.#set('setting persistence', native.setPersist(this.#open(), persist ? 1 : 0));
  }

  /** Replace the set of offloads; `'best'`: by as much as this kernel has. The device must have been opened with `vnetHeader`. */
  setOffloads(offloads: readonly Offload[] | 'best'): void {
    const fd = this.#open();
    const choices = (offloads === 'best' ? bestOffloads : [offloads]).map(offloadBits);
    if (choices[0] !== 0 && !this.vnetHeader) throw new TypeError('offloads need vnetHeader: true');
    let failed = 0;
    for (const bits of choices) {
      failed = native.setOffload(fd, bits);
      if (failed === 0) this.#offloads = offloadsOf(bits);
      if (failed !== EINVAL) break;
    }
    if (failed === EINVAL) {
      throw new TunError('CULVERT_TUN_OFFLOAD', [offloads].flat().join(', '), { cause: systemError(failed) });
    }
    if (failed < 0) throw this.#failure('setting offloads', failed);
  }

  /** Close the queue. With the last one goes the interface, unless it is persistent. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native.close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #watch(): void {
    const events = this.#readable === undefined ? 0 : READABLE;
    const failed = native.watch(this.fd, events, events === 0 ? undefined : this.#ready);
    if (failed < 0) throw this.#failure('waiting', failed);
  }

  /**
   * libuv stops waiting when the kernel reports an error: the interface goes away. A moment earlier a read still finds nothing,
   * so look again until it tells.
   */
  #handleReady(status: number): void {
    this.#readable?.();
    if (status >= 0 || this.#closed || this.#gone) return;
    setTimeout(() => {
      if (!this.#closed && !this.#gone) this.#watch();
    }, LOOK_AGAIN_MILLIS);
  }

  #open(): number {
    if (this.#closed) throw new TunError('CULVERT_TUN_CLOSED', this.name);
    return this.fd;
  }

  #settings() {
    return { mode: this.mode, multiQueue: this.multiQueue, vnetHeader: this.vnetHeader };
  }

  #presentName(): string {
    const name = native.nameOf(this.fd);
    if (typeof name === 'number') throw this.#failure('asking for the name', name);
    return name;
  }

  #largestPacket(): number {
    const frame = this.mode === 'tap' ? frameHeaderBytes : 0;
    return (this.vnetHeader ? largestSuperPacket : this.mtu) + frame;
  }

  #countTruncated(): void {
    this.stats.truncated += this.#report[PASSED_OVER] ?? 0;
    this.#report.fill(0);
    this.#maxPacket = this.#largestPacket();
  }

  #countRefused(): void {
    this.stats.writeErrors += this.#report[PASSED_OVER] ?? 0;
    this.stats.lastWriteError = systemError(-(this.#report[ERRNO] ?? 0)).message;
    this.#report.fill(0);
  }

  #set(what: string, returned: number): void {
    if (returned < 0) throw this.#failure(what, returned);
  }

  #failure(what: string, returned: number): TunError {
    const cause = systemError(returned);
    if (['EBADFD', 'EBADF', 'ENODEV'].includes(cause.message))
      return new TunError('CULVERT_TUN_GONE', this.name, { cause });
    if (cause.message === 'EPERM') return new TunError('CULVERT_TUN_PERMISSION', `${this.name}, ${what}`, { cause });
    return new TunError('CULVERT_TUN_SYSTEM', `${this.name}, ${what}: ${cause.message}`, { cause });
  }
}
