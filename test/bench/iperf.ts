/** TCP by iperf3: its server in the office, its client on the laptop. */
import { office, type World } from '../interop/world.ts';

export interface Transfer {
  /** Ends after so long, or after so many bytes. */
  readonly seconds?: number;
  readonly bytes?: number;
  /** From the office to the client. @default false */
  readonly down?: boolean;
  /** @default 1 */
  readonly streams?: number;
  /** Left out of the figures, at the start. @default 0 */
  readonly warmUp?: number;
}

/** What the receiving end saw. */
export interface Transferred {
  readonly mbits: number;
  readonly bytes: number;
}

export async function startListener(world: World): Promise<void> {
  await world.office.spawn('iperf3', ['--server', '--forceflush']).waitFor('Server listening');
}

export async function transfer(
  world: World,
  { seconds, bytes, down, streams, warmUp }: Transfer,
): Promise<Transferred> {
  const words = ['--client', office.ipv4, '--json', '--parallel', String(streams ?? 1), '--omit', String(warmUp ?? 0)];
  if (bytes !== undefined) words.push('--bytes', String(bytes));
  else words.push('--time', String(seconds));
  if (down === true) words.push('--reverse');
  const child = await world.client.spawn('iperf3', words).succeeded(600_000);
  const report = JSON.parse(child.stdout) as { end: { sum_received: { bits_per_second: number; bytes: number } } };
  return { mbits: report.end.sum_received.bits_per_second / 1e6, bytes: report.end.sum_received.bytes };
}
