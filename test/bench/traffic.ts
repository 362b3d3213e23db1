/** Starts `traffic/main.ts` on both hosts. */
import { fileURLToPath } from 'node:url';
import { office, type World } from '../interop/world.ts';

const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const program = fileURLToPath(new URL('./traffic/main.ts', import.meta.url));

export async function serveTraffic(world: World): Promise<void> {
  await world.office.spawn(node, [program, 'serve']).waitFor('serving');
}

/** Packets a second that arrive at less than 1 % loss. */
export function packetRate(world: World, down: boolean, seconds: number): Promise<number> {
  return run(world, ['packets', office.ipv4, down ? 'down' : 'up', String(seconds)]);
}

/** Mbit/s of one TCP stream from each address, together. */
export function sumOfStreams(
  world: World,
  down: boolean,
  seconds: number,
  addresses: readonly string[],
): Promise<number> {
  return run(world, ['streams', office.ipv4, down ? 'down' : 'up', String(seconds), addresses.join()]);
}

async function run({ client }: World, words: readonly string[]): Promise<number> {
  const child = await client.spawn(node, [program, ...words]).succeeded(300_000);
  return (JSON.parse(child.stdout) as { value: number }).value;
}
