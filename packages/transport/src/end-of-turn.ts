/** Calls `flush` once when the present callback ends, however often it is asked. */
export class EndOfTurn {
  readonly #flush: () => void;
  readonly #run = (): void => {
    this.#asked = false;
    this.#flush();
  };
  #asked = false;

  constructor(flush: () => void) {
    this.#flush = flush;
  }

  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    queueMicrotask(this.#run);
  }
}
