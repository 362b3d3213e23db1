/** Datagrams for each second of processor time over loopback, one thread sending and receiving in turns: `scripts/node packages/netio/test/bench.ts`. */
import { createDatagramBatch, openUdp } from '../src/index.ts';
import { append, pathTo } from './sockets.ts';

const seconds = 1;
const perTurn = 256;

interface Row {
  readonly name: string;
  readonly segmentation: boolean;
  readonly coalescing: boolean;
}

const rows: readonly Row[] = [
  { name: 'one by one', segmentation: false, coalescing: false },
  { name: 'trains out', segmentation: true, coalescing: false },
  { name: 'trains in', segmentation: false, coalescing: true },
  { name: 'trains both', segmentation: true, coalescing: true },
];

/** Datagrams a second of processor time. `lengthOf(i)` is the length of datagram `i` of a turn. */
function measure(row: Row, lengthOf: (i: number) => number): number {
  using server = openUdp({ family: 4, address: '127.0.0.1', receiveBufferBytes: 4 << 20, ...row });
  using client = openUdp({ family: 4, sendBufferBytes: 4 << 20, ...row });
  const path = pathTo(server, '127.0.0.1');
  const out = createDatagramBatch(perTurn, perTurn * 1_500);
  for (let i = 0; i < perTurn; i++) append(out, Buffer.alloc(lengthOf(i), 'x'), path);
  const batch = createDatagramBatch(2_048, 16 * 65_536);
  let received = 0;
  const before = process.cpuUsage();
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) {
    client.sendBatch(out);
    do {
      batch.count = batch.used = 0;
      server.recvBatch(batch);
      received += batch.count;
    } while (batch.count > 0);
  }
  if (received !== client.stats.sent) throw new Error(`${client.stats.sent - received} datagrams were lost`);
  const { user, system } = process.cpuUsage(before);
  return received / ((user + system) / 1e6);
}

for (const row of rows) {
  const figures = {
    '1400 bytes': measure(row, () => 1_400),
    '100 bytes': measure(row, () => 100),
    'all lengths': measure(row, (i) => 100 + ((i * 37) % 1_300)),
  };
  const shown = Object.entries(figures).map(([name, rate]) => `${name} ${Math.round(rate / 1_000)} k/s`);
  console.log(row.name.padEnd(12), shown.join('   '));
}
