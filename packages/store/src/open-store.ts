/** The SQLite store behind the asynchronous face: on this thread for command lines, on a thread of its own for the gateway. */
import { Worker } from 'node:worker_threads';
import { StoreError, type StoreErrorCode } from './errors.ts';
import { SqliteStore } from './sqlite-store.ts';
import type { Store } from './store.ts';

const storeThread = new URL('./store-thread.ts', import.meta.url);
/** So long after a thread ended another is started. */
const RESTART_MILLIS = 1_000;

/** One call to the thread, and its answer. Errors cross as their code and detail. */
export interface StoreRequest {
  readonly id: number;
  readonly method: keyof Store;
  readonly args: readonly unknown[];
}
export type StoreReply =
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly code: StoreErrorCode; readonly detail: string | undefined }
  | { readonly kind: 'changed' };

/** For command lines: calls run at once, on this thread. Throws StoreError when the file cannot be opened. */
export function openStore(path: string): Store {
  const store = new SqliteStore(path);
  return storeFrom(async (method, args) => (store[method] as (...args: readonly unknown[]) => unknown)(...args));
}

/**
 * For the gateway: the file is opened on a thread of its own, so that nobody's packets wait for the disk.
 * `onChange` is called within about 250 ms after another process has changed the store, and when it can no longer be read.
 * Rejects with StoreError when the file cannot be opened. A thread that ends takes its calls with it; another takes its place a second
 * later. `onChange` is called both times: what others changed meanwhile nobody saw.
 */
export async function openStoreThread(path: string, onChange: () => void, body = storeThread): Promise<Store> {
  const thread = new StoreThread(path, onChange, body);
  const store = storeFrom((method, args) => thread.call(method, args));
  try {
    await store.users();
  } catch (error) {
    await thread.stop();
    throw error;
  }
  return { ...store, close: () => store.close().finally(() => thread.stop()) };
}

function storeFrom(call: (method: keyof Store, args: readonly unknown[]) => Promise<unknown>): Store {
  const method =
    <Method extends keyof Store>(name: Method) =>
    (...args: Parameters<Store[Method]>) =>
      call(name, args) as ReturnType<Store[Method]>;
  return {
    user: method('user'),
    users: method('users'),
    addUser: method('addUser'),
    changeUser: method('changeUser'),
    removeUser: method('removeUser'),
    passwordHash: method('passwordHash'),
    ntHash: method('ntHash'),
    forgetNtHashes: method('forgetNtHashes'),
    leases: method('leases'),
    putLeases: method('putLeases'),
    close: method('close'),
  };
}

class StoreThread {
  readonly #path: string;
  readonly #body: URL;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #onChange: () => void;
  #worker: Worker;
  #nextId = 1;
  #stopping = false;
  #dead: StoreError | undefined;
  #restart: NodeJS.Timeout | undefined;

  constructor(path: string, onChange: () => void, body: URL) {
    this.#path = path;
    this.#onChange = onChange;
    this.#body = body;
    this.#worker = this.#start();
  }

  call(method: keyof Store, args: readonly unknown[]): Promise<unknown> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const id = this.#nextId++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ id, method, args } satisfies StoreRequest);
    return waiting.promise;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    await this.#worker.terminate();
  }

  #start(): Worker {
    const worker = new Worker(this.#body, { workerData: { path: this.#path } });
    worker.on('message', (reply: StoreReply) => (reply.kind === 'changed' ? this.#onChange() : this.#settle(reply)));
    worker.on('error', (error) => this.#die(new StoreError('CULVERT_STORE_FAILED', error.message, { cause: error })));
    worker.on('exit', () => this.#die(new StoreError('CULVERT_STORE_FAILED', 'its thread has ended')));
    return worker;
  }

  #settle(reply: Exclude<StoreReply, { kind: 'changed' }>): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === 'result') waiting?.resolve(reply.value);
    else waiting?.reject(new StoreError(reply.code, reply.detail));
  }

  #die(error: StoreError): void {
    const first = this.#dead === undefined;
    this.#dead ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#dead);
    this.#waiting.clear();
    if (!first || this.#stopping) return;
    this.#onChange();
    this.#restart = setTimeout(() => {
      this.#dead = undefined;
      this.#worker = this.#start();
      this.#onChange();
    }, RESTART_MILLIS);
  }
}
