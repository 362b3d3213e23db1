import { type Attachment, attachNew, closeUnless, systemError, type TunMode, vnetHeaderBytes } from './attach.ts';
import type { TunBatch } from './batch.ts';
import { TunError } from './errors.ts';
import { native } from './native.ts';
import { type Offload, offloadBits } from './offloads.ts';

const READABLE = 1;
/** Between looks at an interface that goes away. */
const LOOK_AGAIN_MILLIS = 10;

/** An Ethernet header with one VLAN tag, which the kernel puts in line. */
const frameHeaderBytes = 18;

/** The kernel builds super-packets of at most 64 KiB, headers of the packet included. */
const largestSuperPacket = 65_536;

/** Words of the native report. */
const PASSED_OVER = 0;
const ERRNO = 1;

export interface TunStats {
  /** Packets that did not fit because the MTU grew behind our back; they are lost. */
  truncated: number;
  /** Packets that the kernel refused to take: malformed, or the interface is down. */
  writeErrors: number;
  /** The system's name of the latest write error ("EINVAL"). */
  lastWriteError: string | undefined;
}

/**
 * One queue of a TUN or TAP device. A packet is an IP packet (`tun`) or an Ethernet frame (`tap`), behind its 10-byte virtio
 * header if `vnetHeader` is set.
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
  readonly #ready = (status: number) => this.#handleReady(status);
  #readable: (() => void) | undefined;
  #gone = false;
  #closed = false;
  #maxPacket: number;

  /** Owns the attachment's descriptor from here on, and closes it if it throws. Programs call `openTun`. */
  constructor(attachment: Attachment) {
    this.fd = attachment.fd;
    this.name = attachment.name;
    this.mode = attachment.mode;
    this.multiQueue = attachment.multiQueue;
    this.vnetHeader = attachment.vnetHeader;
    this.#maxPacket = closeUnless(this.fd, () => this.#largestPacket());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The largest packet that `readBatch` gives, in bytes, all headers included. */
  get maxPacket(): number {
    return this.#maxPacket;
  }

  /**
   * Append waiting packets behind `batch.count` and `batch.used`. Returns how many; zero means that none waits, or that the
   * batch is full: no slot, or less arena than `maxPacket` + 1 bytes. Throws RangeError for an empty batch that small.
   */
  readBatch(batch: TunBatch): number {
    const { arena, offsets, lengths, count, used } = batch;
    const n = native.readBatch(this.#open(), arena, offsets, lengths, count, used, this.#maxPacket, this.#report);
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
    if (count === 0 && (offsets.length === 0 || arena.length - used <= this.#maxPacket)) {
      throw new RangeError(`a batch needs a slot and more than ${this.#maxPacket} bytes of arena`);
    }
    return 0;
  }

  /** Write the batch's packets in order, without those of length 0. Returns how many the kernel took; it stops where the kernel's queue is full. */
  writeBatch(batch: Readonly<TunBatch>): number {
    const n = native.writeBatch(this.#open(), batch.arena, batch.offsets, batch.lengths, batch.count, this.#report);
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
    return new TunDevice(attachNew({ ...this.#settings(), name: this.#presentName() }));
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
    if (failed === -22 /* EINVAL */) throw new TunError('CULVERT_TUN_MTU', String(mtu), { cause: systemError(failed) });
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

  /** Replace the set of offloads. The device must have been opened with `vnetHeader`. */
  setOffloads(offloads: readonly Offload[]): void {
    const fd = this.#open();
    const bits = offloadBits(offloads);
    if (bits !== 0 && !this.vnetHeader) throw new TypeError('offloads need vnetHeader: true');
    const failed = native.setOffload(fd, bits);
    if (failed === -22 /* EINVAL */) {
      throw new TunError('CULVERT_TUN_OFFLOAD', offloads.join(', '), { cause: systemError(failed) });
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
    return this.vnetHeader ? largestSuperPacket + frame + vnetHeaderBytes : this.mtu + frame;
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
