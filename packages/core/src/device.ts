import type { PacketBatch } from '@culvert/base';

/** Where inner packets enter and leave the machine: a TUN device, or testkit's device in memory. Packets are bare IP. */
export interface PacketDevice {
  /** The largest packet that the device gives, in bytes. */
  readonly mtu: number;
  /** Counters of what went wrong, by name; some devices have a word of explanation among them. */
  readonly stats?: object;
  /** Appends waiting packets to the batch, at most `most`. Returns how many; zero means that none waits. @param most @default all */
  readBatch(batch: PacketBatch, most?: number): number;
  /** Takes the packets whose length is not 0. Returns how many; the rest found no room. Never waits, keeps nothing of the batch. */
  writeBatch(batch: PacketBatch): number;
  /** Calls back while packets wait; undefined stops that. */
  onReadable(callback: (() => void) | undefined): void;
  close(): void;
}
