/** Key exchanges on the threads of Node's pool, one after another: they take one core at most, and packets do not wait for them. */
import { type IkeWorkResult, type KeyExchange, workDropped } from '@culvert/ipsec';
import { exchangeKeysAside } from './agree.ts';

interface Job {
  readonly request: KeyExchange;
  readonly done: (result: IkeWorkResult) => void;
}

export class KeyExchanges {
  readonly #limit: number;
  readonly #onFault: (error: unknown) => void;
  readonly #waiting: Job[] = [];
  #busy = false;
  /** Those that found the queue full. */
  dropped = 0;

  constructor(options: { readonly limit: number; readonly onFault: (error: unknown) => void }) {
    this.#limit = options.limit;
    this.#onFault = options.onFault;
  }

  /** `done` is called once, later; not at all after `clear`. What it throws is told, and harms no other. False: it was dropped. */
  push(request: KeyExchange, done: (result: IkeWorkResult) => void): boolean {
    if (this.#waiting.length >= this.#limit) {
      this.dropped++;
      return false;
    }
    this.#waiting.push({ request, done });
    if (!this.#busy) void this.#run();
    return true;
  }

  clear(): void {
    this.#waiting.length = 0;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let job = this.#waiting[0]; job !== undefined; job = this.#waiting[0]) {
      const result = await exchangeKeysAside(job.request).catch((error: unknown): IkeWorkResult => {
        this.#onFault(error);
        return workDropped;
      });
      // Cleared meanwhile, it is not there.
      if (this.#waiting[0] === job) {
        this.#waiting.shift();
        try {
          job.done(result);
        } catch (error) {
          this.#onFault(error);
        }
      }
    }
    this.#busy = false;
  }
}
