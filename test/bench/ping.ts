/** Round trips by ping: the kernel answers at the far end, so that only the tunnel is between. */
import { office, type World } from '../interop/world.ts';

/** Seconds after which a round trip counts as lost. */
const LOST = 2;

/** Microseconds each. One that was lost took as long as was waited for it: it makes a bad quantile worse. */
export async function roundTrips(world: World, count: number, intervalSeconds: number): Promise<number[]> {
  const words = ['-n', '-c', String(count), '-i', String(intervalSeconds), '-s', '64', '-W', String(LOST), office.ipv4];
  const child = world.client.spawn('ping', words);
  await child.exited;
  const times = [...child.stdout.matchAll(/ time=([\d.]+) ms/g)].map(([, millis]) => Number(millis) * 1000);
  if (times.length < count / 2)
    throw new Error(`ping: ${times.length} of ${count} came back\n${child.output.slice(-500)}`);
  return [...times, ...Array<number>(Math.max(0, count - times.length)).fill(LOST * 1e6)];
}
