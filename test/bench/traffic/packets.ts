/** Small UDP packets at a given rate, each a packet of its own on its way out of the sender, and the count of those that arrive. */
import { setTimeout as delay } from 'node:timers/promises';
import { createDatagramBatch, encodePath, openUdp, pathWords, type UdpSocket } from '@culvert/netio';
import { ports } from './control.ts';

/** Of UDP payload. */
export const PACKET_BYTES = 64;
const BATCH = 64;
const BUFFER_BYTES = 4 * 1024 * 1024;
/** A sender that was held up does not make up for more than this. */
const MOST_LATE_MILLIS = 5;
const GREETING = 0xffff_ffff;

/** One end. Packets carry the number of their trial, so that stragglers of one are not counted in the next. */
export class PacketEnd {
  count = 0;
  #trial = 0;
  readonly #socket: UdpSocket;
  readonly #received = createDatagramBatch(1024, 16 * 65_536);
  readonly #sending = createDatagramBatch(BATCH, BATCH * PACKET_BYTES);
  /** Where packets go: the other end, or whoever greeted last. */
  #path: Uint32Array | undefined;

  constructor(remote: string | undefined) {
    const port = remote === undefined ? ports.packets : 0;
    this.#socket = openUdp({
      family: 4,
      port,
      segmentation: false,
      receiveBufferBytes: BUFFER_BYTES,
      sendBufferBytes: BUFFER_BYTES,
    });
    if (remote !== undefined) this.#path = encodePath({ remote: { address: remote, port: ports.packets } }, 4);
    this.#socket.onReadable(() => this.#receive());
  }

  expect(trial: number): void {
    this.#trial = trial;
    this.count = 0;
  }

  /** Shows the other end our address, and opens the way for its packets. */
  greet(): void {
    const bytes = new Uint8Array(PACKET_BYTES);
    new DataView(bytes.buffer).setUint32(0, GREETING);
    if (this.#path !== undefined) this.#socket.send(bytes, this.#path);
  }

  /** Resolves with the number of packets that the kernel took. */
  async send(trial: number, rate: number, seconds: number): Promise<number> {
    const batch = this.#fill(trial);
    const began = performance.now();
    let from = began;
    let due = 0;
    let taken = 0;
    while (performance.now() - began < seconds * 1000) {
      const late = performance.now() - from - (due / rate) * 1000;
      if (late > MOST_LATE_MILLIS) from += late - MOST_LATE_MILLIS;
      const now = Math.floor(((performance.now() - from) / 1000) * rate);
      for (; due < now; due += batch.count) {
        batch.count = Math.min(BATCH, now - due);
        const before = this.#socket.stats.sent;
        this.#socket.sendBatch(batch);
        taken += this.#socket.stats.sent - before;
      }
      await delay(1);
    }
    return taken;
  }

  close(): void {
    this.#socket.close();
  }

  #fill(trial: number) {
    if (this.#path === undefined) throw new Error('nobody greeted');
    const batch = this.#sending;
    for (let i = 0; i < BATCH; i++) {
      batch.offsets[i] = i * PACKET_BYTES;
      batch.lengths[i] = PACKET_BYTES;
      batch.view.setUint32(i * PACKET_BYTES, trial);
      batch.paths.set(this.#path, i * pathWords);
    }
    return batch;
  }

  #receive(): void {
    const batch = this.#received;
    batch.count = batch.used = 0;
    this.#socket.recvBatch(batch);
    for (let i = 0; i < batch.count; i++) {
      const trial = batch.view.getUint32(batch.offsets[i] ?? 0);
      if (trial === this.#trial) this.count++;
      else if (trial === GREETING) this.#path = batch.paths.slice(i * pathWords, (i + 1) * pathWords);
    }
  }
}
