/** Joins the device to the core, on the thread that carries packets: its packets one way, the core's timer the other. The same for both programs. */
import {
  createPacketBatch,
  type Instant,
  type Logger,
  type Millis,
  type MonotonicClock,
  type PacketBatch,
} from '@culvert/base';
import { Join } from '@culvert/cipher';
import type { PacketDevice, TunnelCore } from '@culvert/core';
import { shortenTimeSlice } from '@culvert/netio';
import { EndOfTurn } from './end-of-turn.ts';
import { FaultLog } from './fault-log.ts';

/** Packets a turn; more stay in the device's queue. */
const BATCH_SLOTS = 128;
/** Room for many single packets, or for 16 super-packets of 64 KiB. */
const BATCH_BYTES = 16 * 65_536 + 66_000;
/** A device reads on while this many bytes are free: a super-packet with its headers (tun-tap's `readBatch`). */
const LARGEST_READ = 65_536 + 10 + 1;
/** Turns of the event loop belong to the sockets as well: so many batches at a stretch. */
const BATCHES_A_TURN = 4;
/** Looks for an answer that find none before only one write in `WRITES_A_LOOK` is followed by one. */
const LOOKS = 8;
const WRITES_A_LOOK = 64;
/** So long after the latest packet the next one is sent, and its peer woken, before anybody looks for more: most likely there is none. */
const SILENCE: Millis = 1;
/** The core's deadlines are seconds away: looking this often is enough for those that move closer. */
const LONGEST_WAIT: Millis = 1_000;

/**
 * Packets that may wait for us in the kernel (`txqueuelen`), where a super-packet of 64 KiB is one. Long: 400,000 packets a second
 * fill 500, the kernel's default, in a millisecond, which is less than a busy machine lets us wait for a processor; measured with such
 * a flood to one link, another loses 13 % of its packets with 500 and 5 % with 2,000. The core keeps the queue short all the same.
 */
export const DEVICE_QUEUE_LENGTH = 2_000;

export interface DevicePumpOptions {
  readonly device: PacketDevice;
  /** The device has virtio headers: it gives super-packets. */
  readonly virtio: boolean;
  /** Undefined: packets are dropped for now. */
  readonly core: () => Pick<TunnelCore, 'handleDevicePackets' | 'handleTimeout' | 'pollTimeout'> | undefined;
  readonly clock: MonotonicClock;
  readonly log: Logger;
  /** Called once, when the device can no longer be read: somebody took it away. */
  onGone(error: Error): void;
}

export class DevicePump {
  readonly #o: DevicePumpOptions;
  readonly #batch: PacketBatch;
  readonly #faults: FaultLog;
  readonly #answers = new EndOfTurn(() => this.#lookForAnswers());
  /** Most likely one packet waits: the latest read of all that waited found no more. One taken alone tells nothing of what stands behind it. */
  #quiet = true;
  /** Looks that may still find nothing before they become rare. */
  #looks = LOOKS;
  #writes = 0;
  #readAt: Instant;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Starts at once. */
  constructor(options: DevicePumpOptions) {
    this.#o = options;
    this.#readAt = options.clock.now();
    this.#faults = new FaultLog(options.log, options.clock);
    this.#batch = createPacketBatch(BATCH_SLOTS, BATCH_BYTES, { virtio: options.virtio });
    if (!shortenTimeSlice())
      options.log.debug('the scheduler takes no time slice from us: packets may wait longer here');
    options.device.onReadable(() => this.#readDevice());
    this.#setTimer();
  }

  /**
   * The device's own, for the core. What is written may be answered at once, by this machine or the office behind it: the answer is
   * taken at the end of the turn, which is sooner than the event loop tells of it.
   */
  writeBatch(batch: PacketBatch): number {
    const written = this.#o.device.writeBatch(batch);
    if (this.#looks > 0 || ++this.#writes % WRITES_A_LOOK === 0) this.#answers.ask();
    return written;
  }

  /** Stops reading. Closing the device is its owner's. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#o.device.onReadable(undefined);
  }

  #lookForAnswers(): void {
    if (this.#closed) return;
    if (this.#readDevice()) this.#looks = LOOKS;
    else if (this.#looks > 0) this.#looks--;
  }

  /** Whether there was something to read. */
  #readDevice(): boolean {
    const { device, core, clock } = this.#o;
    const batch = this.#batch;
    for (let i = 0; i < BATCHES_A_TURN; i++) {
      batch.count = 0;
      batch.used = 0;
      const now = clock.now();
      const alone = this.#quiet && now - this.#readAt > SILENCE;
      try {
        if (device.readBatch(batch, alone ? 1 : BATCH_SLOTS) === 0) {
          this.#quiet = true;
          return i > 0;
        }
      } catch (error) {
        this.#closed = true;
        clearTimeout(this.#timer);
        this.#o.onGone(error as Error);
        return false;
      }
      this.#readAt = now;
      const emptied = alone || hasRoom(batch);
      this.#quiet = !alone && emptied && batch.count === 1;
      try {
        core()?.handleDevicePackets(batch, now, emptied);
      } catch (error) {
        // Above is the event loop: what it is given ends the process, with the links of everybody.
        this.#faults.tell('a packet from the device', error, 'lost');
      }
      // What was sealed leaves at the end of the turn: sooner without another look. Of what still waits the event loop tells.
      if (emptied) return true;
    }
    return true;
  }

  #setTimer(): void {
    const { core, clock } = this.#o;
    const now = clock.now();
    this.#wait(Math.min(LONGEST_WAIT, Math.max(0, (core()?.pollTimeout() ?? now + LONGEST_WAIT) - now)));
  }

  #wait(millis: Millis): void {
    this.#timer = setTimeout(() => {
      const { core, clock } = this.#o;
      try {
        core()?.handleTimeout(clock.now());
        this.#setTimer();
      } catch (error) {
        this.#faults.tell("a look at the core's deadlines", error, 'lost');
        // What failed may be due still.
        this.#wait(LONGEST_WAIT);
      }
    }, millis);
  }
}

/** Whether the device stopped for want of packets, not of room: nothing was left waiting. */
function hasRoom(batch: PacketBatch): boolean {
  return batch.count < BATCH_SLOTS && BATCH_BYTES - batch.used > LARGEST_READ;
}

/** Says what this kernel, or the device that was given, lacks of what was asked for. Says nothing where all is there. */
export function tellMissingOffloads(
  { name, missingOffloads }: { readonly name: string; readonly missingOffloads: readonly string[] },
  log: Logger,
): void {
  if (missingOffloads.length === 0) return;
  log.info('the device lacks offloads: such packets move one by one', {
    device: name,
    missing: missingOffloads.join(', '),
  });
}

/** What a device with these offloads takes joined, as bits of cipher's `Join`; 0 for one without virtio headers. */
export function joinFor(device: { readonly vnetHeader: boolean; readonly offloads: readonly string[] }): number {
  if (!device.vnetHeader) return Join.none;
  const bits = { tso4: Join.tcp4, tso6: Join.tcp6, uso4: Join.udp4, uso6: Join.udp6 } as const;
  let join = 0;
  for (const [offload, bit] of Object.entries(bits)) if (device.offloads.includes(offload)) join |= bit;
  return join;
}
