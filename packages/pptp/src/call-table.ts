/**
 * Whose packet is it: calls by our call id, the peer's address and our own, as GRE has no ports. What comes from elsewhere than the
 * control connection's peer belongs to nobody, and is told so before anything else is done with it.
 *
 * Ids are unique in a table, so several clients behind one NAT differ by them. They are random, so that a stranger has to guess.
 */
import type { RandomSource } from '@culvert/base';

const IDS = 0x1_0000;
/** Draws before the next free id is taken. */
const DRAWS = 8;

interface Entry<Call> {
  readonly call: Call;
  readonly remote: number;
  readonly local: number;
}

export class CallTable<Call> {
  readonly #random: RandomSource;
  readonly #taken = new Set<number>();
  readonly #entries = new Map<number, Entry<Call>>();

  constructor(random: RandomSource) {
    this.#random = random;
  }

  get size(): number {
    return this.#taken.size;
  }

  /** A free id other than 0, which `give` gives back; undefined when all are taken. */
  take(): number | undefined {
    if (this.#taken.size >= IDS - 1) return undefined;
    let id = 0;
    for (let draws = 0; draws < DRAWS && this.#isTaken(id); draws++) {
      const [high = 0, low = 0] = this.#random.bytes(2);
      id = (high << 8) | low;
    }
    while (this.#isTaken(id)) id = (id + 1) % IDS;
    this.#taken.add(id);
    return id;
  }

  give(id: number): void {
    this.#taken.delete(id);
    this.#entries.delete(id);
  }

  /** From now on packets under `id` between these addresses (numbers of the caller's, compared and nothing else) are `call`'s. */
  connect(id: number, call: Call, remote: number, local: number): void {
    if (!this.#taken.has(id)) throw new RangeError(`call id ${id} is nobody's`);
    this.#entries.set(id, { call, remote, local });
  }

  find(id: number, remote: number, local: number): Call | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.remote === remote && entry.local === local ? entry.call : undefined;
  }

  #isTaken(id: number): boolean {
    return id === 0 || this.#taken.has(id);
  }
}
