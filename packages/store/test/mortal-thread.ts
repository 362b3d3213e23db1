/** The body of the store's thread, which ends where it is asked to forget all NT hashes. */
import '../src/store-thread.ts';
import { parentPort } from 'node:worker_threads';
import type { StoreRequest } from '../src/open-store.ts';

parentPort?.on('message', ({ method }: StoreRequest) => {
  if (method === 'forgetNtHashes') process.exit();
});
