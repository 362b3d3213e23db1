/**
 * ESP that came before the message of IKE that makes its pair: some peers send by new keys as soon as they have answered, or asked, and the
 * message is read later or waits for a key exchange. It is kept for a moment. Only the peer knows the SPI then, so what strangers send
 * is not kept.
 */
import type { Instant, Millis } from '@culvert/base';
import { createDatagramBatch, type DatagramBatch, pathWords } from '@culvert/netio';
import type { EspSource } from './esp-receiver.ts';

/** Of one SPI: half a second of a voice call, or three first windows of TCP connections. */
const MOST_OF_ONE = 32;
/** Of all SPIs. */
const MOST = 256;
/** Longer ones are not kept. */
const MOST_BYTES = 2_048;
/** A message that was lost comes again after a second or more: TCP has sent its packets anew by then. */
const KEPT: Millis = 1_000;

interface Kept {
  readonly datagram: Uint8Array;
  readonly path: Uint32Array;
  readonly source: EspSource;
  readonly until: Instant;
}

export class EarlyEsp {
  readonly #bySpi = new Map<number, Kept[]>();
  #size = 0;

  /** Datagrams that are kept. */
  get size(): number {
    return this.#size;
  }

  /** Copies the datagrams `first` to `end` of `batch`, as far as there is room. Returns how many it took. */
  keep(spi: number, batch: DatagramBatch, [first, end]: readonly [number, number], source: EspSource, now: Instant) {
    this.#forget(now);
    const kept = this.#bySpi.get(spi) ?? [];
    const before = kept.length;
    for (let slot = first; slot < end && kept.length < MOST_OF_ONE && this.#size < MOST; slot++) {
      const [at, length] = [batch.offsets[slot] ?? 0, batch.lengths[slot] ?? 0];
      if (length > MOST_BYTES) continue;
      const path = batch.paths.slice(slot * pathWords, (slot + 1) * pathWords);
      kept.push({
        datagram: batch.arena.slice(at, at + length),
        path,
        source,
        until: (now + KEPT) as Instant,
      });
      this.#size++;
    }
    if (kept.length > 0) this.#bySpi.set(spi, kept);
    return kept.length - before;
  }

  /** Gives back what is kept of `spi`, each in a batch of its own, in the order in which it came. */
  take(spi: number, now: Instant): { readonly batch: DatagramBatch; readonly source: EspSource }[] {
    this.#forget(now);
    const kept = this.#bySpi.get(spi) ?? [];
    this.#bySpi.delete(spi);
    this.#size -= kept.length;
    return kept.map(({ datagram, path, source }) => {
      const batch = createDatagramBatch(1, datagram.length);
      batch.arena.set(datagram);
      batch.lengths[0] = datagram.length;
      batch.paths.set(path);
      batch.runs[0] = 1;
      batch.count = 1;
      batch.used = datagram.length;
      return { batch, source };
    });
  }

  clear(): void {
    this.#bySpi.clear();
    this.#size = 0;
  }

  #forget(now: Instant): void {
    if (this.#size === 0) return;
    for (const [spi, kept] of this.#bySpi) {
      const left = kept.filter(({ until }) => until > now);
      this.#size -= kept.length - left.length;
      if (left.length === 0) this.#bySpi.delete(spi);
      else this.#bySpi.set(spi, left);
    }
  }
}
