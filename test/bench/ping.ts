/** Round trips by ping: the kernel answers at the far end, so that only the tunnel is between. */
import { office, type World } from '../interop/world.ts';

/** Microseconds each, of those that came back. A round trip that was lost counts as endless: it makes a bad quantile worse. */
export async function roundTrips(world: World, count: number, intervalSeconds: number): Promise<number[]> {
  const words = ['-n', '-c', String(count), '-i', String(intervalSeconds), '-s', '64', '-W', '2', office.ipv4];
  const child = world.client.spawn('ping', words);
  await child.exited;
  const times = [...child.stdout.matchAll(/ time=([\d.]+) ms/g)].map(([, millis]) => Number(millis) * 1000);
  if (times.length < count / 2)
    throw new Error(`ping: ${times.length} of ${count} came back\n${child.output.slice(-500)}`);
  return [...times, ...Array<number>(Math.max(0, count - times.length)).fill(Number.POSITIVE_INFINITY)];
}
