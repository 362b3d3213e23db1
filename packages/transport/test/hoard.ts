/** Takes some 150 MiB in small pieces, says so, lets go of them when its input ends, and then has nothing to do and is watched; tells what the log is told. `hoard.ts worker`: on a thread. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { nullLogger } from '@culvert/testkit';
import { IdleMemory } from '../src/idle-memory.ts';

const PIECES = 1_000_000;

function hoard(tell: (line: string) => void): () => void {
  const held = { pieces: Array.from({ length: PIECES }, (_, n) => ({ text: `piece ${n}`, at: n + 0.5, next: [n] })) };
  tell('held');
  return () => {
    held.pieces = [];
    void new IdleMemory({ log: { ...nullLogger, debug: tell }, lookEvery: 200 });
  };
}

if (parentPort !== null) {
  const port = parentPort;
  const letGo = hoard((line) => port.postMessage(line));
  port.on('message', letGo);
} else if (isMainThread && process.argv[2] === 'worker') {
  const worker = new Worker(new URL(import.meta.url));
  worker.on('message', (line) => console.log(line));
  process.stdin.on('end', () => worker.postMessage('let go')).resume();
} else {
  const letGo = hoard((line) => console.log(line));
  process.stdin.on('end', letGo).resume();
}
setInterval(() => {}, 1_000); // It stays for as long as it is let.
