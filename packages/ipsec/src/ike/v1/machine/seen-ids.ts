/** Message ids of informational exchanges, against replay: the newest of them. */
const MOST = 1024;

export class SeenIds {
  readonly #ids = new Set<number>();
  #forgot = false;

  /** Some are forgotten: one that seems new may be a replay. */
  get forgot(): boolean {
    return this.#forgot;
  }

  /** False: it was there before. */
  add(id: number): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    const [oldest] = this.#ids.size > MOST ? this.#ids : [];
    if (oldest === undefined) return true;
    this.#forgot = true;
    this.#ids.delete(oldest);
    return true;
  }
}
