/** What strangers cost: `scripts/node packages/ipsec/test/bench.ts`. */
import { flood, held } from './flood.ts';
import { IkeBed } from './ike-bed.ts';

const PACKETS = 1_000_000;
const mebibytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
const key = { presharedKey: () => Buffer.from('secret') };

const bed = new IkeBed();
const server = bed.host({ ...key, address: '192.0.2.1' });
const client = bed.host({ ...key, address: '198.51.100.2' });
bed.connect(client, server);
if (!bed.until(() => server.of('child-ready').length > 0, 10_000)) throw new Error('no SA');

const empty = held();
flood(bed, server, 100_000, 1);
const [warm, warmRss] = [held(), process.memoryUsage().rss];
const report = flood(bed, server, PACKETS, 2);
const [end, endRss] = [held(), process.memoryUsage().rss];

console.log(`${report.packets} first messages of main mode from invented addresses, one thread`);
console.log(
  `${(report.microseconds / report.packets).toFixed(1)} us each; the longest thousand ${(report.longestBurst / 1_000).toFixed(1)} ms`,
);
console.log(`answered ${report.answers}, ${report.bytesAnswered} bytes for ${report.bytesAsked}`);
console.log(`records: ${server.endpoint.sizes.firstMessages}, ${mebibytes(warm - empty)}`);
console.log(`held: ${mebibytes(warm)} when the table is full, ${mebibytes(end)} at the end`);
console.log(`resident: ${mebibytes(warmRss)} when the table is full, ${mebibytes(endRss)} at the end`);
console.log(
  `the SA that stood before: ${client.of('closed').length === 0 && server.endpoint.sizes.children === 1 ? 'stands' : 'is gone'}`,
);
