/** First messages of main mode from invented addresses, as fast as an endpoint takes them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '@culvert/testkit';
import type { Host, IkeBed } from './ike-bed.ts';
import { windowsPeer } from './peers.ts';

/** Packets a virtual second. */
const RATE = 50_000;
const BURST = 1_000;

export interface FloodReport {
  readonly packets: number;
  readonly answers: number;
  /** Real time that the endpoint took for all of them, and for the longest thousand. */
  readonly microseconds: number;
  readonly longestBurst: number;
  readonly bytesAsked: number;
  readonly bytesAnswered: number;
}

/** Sends so many to `host`, a burst every 20 ms; whoever else is in the bed has the time in between. */
export function flood(bed: IkeBed, host: Host, packets: number, seed = 1): FloodReport {
  const random = seededRandom(seed);
  const report = { packets, answers: 0, microseconds: 0, longestBurst: 0, bytesAsked: 0, bytesAnswered: 0 };
  for (let sent = 0; sent < packets; sent += BURST) {
    const burst = Array.from({ length: BURST }, () => {
      const datagram = Buffer.from(windowsPeer.firstMessage);
      datagram.set(random.bytes(8));
      const address = `${1 + random.integer(223)}.${random.integer(256)}.${random.integer(256)}.${random.integer(256)}`;
      const local = { address: host.options.address, port: 500 };
      return { datagram, path: { socket: 500, local, remote: { address, port: 500 } } };
    });
    const started = performance.now();
    for (const { datagram, path } of burst) {
      host.endpoint.handleDatagram(datagram, path, bed.now);
      report.bytesAsked += datagram.length;
      for (let t = host.endpoint.pollTransmit(); t !== undefined; t = host.endpoint.pollTransmit()) {
        report.answers++;
        report.bytesAnswered += t.datagram.length;
      }
    }
    const took = (performance.now() - started) * 1_000;
    report.microseconds += took;
    report.longestBurst = Math.max(report.longestBurst, took);
    bed.run((BURST / RATE) * 1_000);
  }
  return report;
}

const collect: unknown = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
})();

/** What the process holds that nobody could free, in bytes. */
export function held(): number {
  if (typeof collect === 'function') collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
