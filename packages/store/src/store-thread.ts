/** The body of the store's thread: answers calls in order, and tells when another process has written. */
import { parentPort, workerData } from 'node:worker_threads';
import { StoreError, storeError } from './errors.ts';
import type { StoreReply, StoreRequest } from './open-store.ts';
import { SqliteStore } from './sqlite-store.ts';

/** A disabled user's links end within a second: this, plus the time to read the users. */
const pollMillis = 250;

const { path } = workerData as { readonly path: string };
const port = parentPort;
if (port === null) throw new Error('this file is the body of a worker thread');
const reply = (message: StoreReply) => port.postMessage(message);
serve(open());

function open(): SqliteStore | StoreError {
  try {
    return new SqliteStore(path);
  } catch (error) {
    return storeError(error, path);
  }
}

function serve(store: SqliteStore | StoreError): void {
  port?.on('message', ({ id, method, args }: StoreRequest) => {
    try {
      if (store instanceof StoreError) throw store;
      reply({ kind: 'result', id, value: (store[method] as (...args: readonly unknown[]) => unknown)(...args) });
    } catch (error) {
      const { code, detail } = storeError(error, path);
      reply({ kind: 'error', id, code, detail });
    }
  });
  if (store instanceof StoreError) return;
  let seen = store.dataVersion();
  setInterval(() => {
    const version = versionOf(store) ?? seen;
    if (version !== seen) reply({ kind: 'changed' });
    seen = version;
  }, pollMillis).unref();
}

/** Undefined when the store is closed or fails: the next call tells that. */
function versionOf(store: SqliteStore): number | undefined {
  try {
    return store.dataVersion();
  } catch {
    return undefined;
  }
}
