/** Pings, each of which must be answered. */
import assert from 'node:assert/strict';
import type { TestHost } from '@culvert/testkit';

/** Seconds that ping has. Without them it waits for its last answer no longer than two round trips take. */
const PATIENCE = '60';

export interface Pings {
  readonly count: number;
  /** Seconds from one to the next. */
  readonly interval: number;
  /** Bytes of payload. @default 56 */
  readonly size?: number;
}

/**
 * Fails when one has no answer. With patience ping goes on until it has enough answers, so it may send more than `count` of them:
 * the first `count` are meant.
 */
export async function losslessPing(from: TestHost, address: string, { count, interval, size = 56 }: Pings) {
  const words = ['-w', PATIENCE, '-c', String(count), '-i', String(interval), '-s', String(size), address];
  const { output } = await from.spawn('ping', words).succeeded(70_000);
  const answered = new Set([...output.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, number]) => Number(number)));
  const lost = Array.from({ length: count }, (_, i) => i + 1).filter((number) => !answered.has(number));
  assert.deepEqual(lost, [], `pings of ${size} bytes to ${address} without an answer`);
  return `${count} pings, all answered`;
}
