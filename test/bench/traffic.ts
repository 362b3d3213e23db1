/** Starts `traffic/main.ts` on both hosts. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '@culvert/testkit';
import { office, type World } from '../interop/world.ts';

const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const program = fileURLToPath(new URL('./traffic/main.ts', import.meta.url));
const senderSource = fileURLToPath(new URL('./traffic/sender.cc', import.meta.url));

export async function serveTraffic(world: World): Promise<void> {
  await world.office.spawn(node, [program, senderOf(world.lab), 'serve']).waitFor('serving');
}

/** Packets a second that arrive at less than 1 % loss. */
export function packetRate(world: World, down: boolean, seconds: number): Promise<number> {
  return run(world, ['packets', office.ipv4, down ? 'down' : 'up', String(seconds)]);
}

/** As many packets a second as are asked for; resolves with how many of them arrive. */
export function flood(world: World, down: boolean, seconds: number, rate: number): Promise<number> {
  return run(world, ['flood', office.ipv4, down ? 'down' : 'up', String(seconds), String(rate)]);
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

async function run({ client, lab }: World, words: readonly string[]): Promise<number> {
  const child = await client.spawn(node, [program, senderOf(lab), ...words]).succeeded(300_000);
  return (JSON.parse(child.stdout) as { value: number }).value;
}

/** The sender of small packets, compiled where it is wanted. */
function senderOf(lab: Lab): string {
  const sender = join(lab.folder, 'sender');
  if (!existsSync(sender)) execFileSync('g++', ['-std=c++17', '-O2', '-o', sender, senderSource]);
  return sender;
}
