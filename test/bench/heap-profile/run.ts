/**
 * What both ends allocate on V8's heap while TCP runs through a tunnel, by function, garbage included: the packet path should not
 * be there. The profiles open in the Memory panel of Chromium's developer tools.
 *
 *   scripts/node test/bench/heap-profile/run.ts [--seconds N] [--keep FOLDER]
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { HeapProfiler } from 'node:inspector';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { eventually, type HostProcess } from '@culvert/testkit';
import { buildWorld, type World } from '../../interop/world.ts';
import { startClient, startServer } from '../ends.ts';
import { startListener, transfer } from '../iperf.ts';

const sampler = fileURLToPath(new URL('./sampler/main.ts', import.meta.url));
/** Rows of the table. */
const MOST = 12;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' }, keep: { type: 'string' } } });
  const world = await buildWorld();
  try {
    await measure(world, Number(values.seconds), values.keep);
  } finally {
    await world.lab.close();
  }
}

async function measure(world: World, seconds: number, keep: string | undefined): Promise<void> {
  const folder = profilesFolder(world);
  process.env['NODE_OPTIONS'] = `--import=${sampler}`;
  process.env['CULVERT_HEAP_PROFILES'] = folder;
  const server = await startServer(world, 'culvert');
  const client = await startClient(world, 'culvert');
  await startListener(world);
  // What is compiled and grown once is not the packet path's.
  for (const down of [false, true]) await transfer(world, { seconds: 3, down });
  for (const [run, down] of [false, true].entries()) {
    const ends = [server, client];
    for (const end of ends) end.signal('SIGUSR2');
    const { bytes } = await transfer(world, { seconds, down });
    for (const [end, name] of [[server, 'culvertd'] as const, [client, 'culvert'] as const]) {
      const file = await profileOf(end, `${folder}/${end.pid}-${run + 1}.heapprofile`);
      print(`${name}, ${(bytes / 1e9).toFixed(2)} GB ${down ? 'down' : 'up'}`, bytes, readProfile(file));
      if (keep !== undefined) copyFileSync(file, `${keep}/${name}-${down ? 'down' : 'up'}-${basename(file)}`);
    }
  }
}

/** The gateway writes there as the service user. */
function profilesFolder({ lab }: World): string {
  chmodSync(lab.folder, 0o711);
  const folder = `${lab.folder}/profiles-of-heaps`;
  mkdirSync(folder);
  chmodSync(folder, 0o733);
  return folder;
}

async function profileOf(end: HostProcess, file: string): Promise<string> {
  end.signal('SIGUSR2');
  return await eventually('the profile is written', () => existsSync(file) && file);
}

type Profile = HeapProfiler.SamplingHeapProfile;

function readProfile(file: string): Profile {
  return JSON.parse(readFileSync(file, 'utf8')) as Profile;
}

/** Of an inner packet, roughly: what the bytes of heap are divided by. */
const PACKET_BYTES = 1_368;

function print(heading: string, bytes: number, { head }: Profile): void {
  const sizes = new Map<string, number>();
  const visit = ({ callFrame, selfSize, children }: Profile['head']): void => {
    const place =
      callFrame.url === '' ? '' : ` ${callFrame.url.replace(/^.*\/packages\//, '')}:${callFrame.lineNumber + 1}`;
    const name = `${callFrame.functionName || '(anonymous)'}${place}`;
    sizes.set(name, (sizes.get(name) ?? 0) + selfSize);
    for (const child of children) visit(child);
  };
  visit(head);
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  console.log(
    `\n${heading}: ${(total / 1024).toFixed(0)} KiB, ${(total / (bytes / PACKET_BYTES)).toFixed(2)} bytes a packet`,
  );
  const largest = [...sizes].sort(([, a], [, b]) => b - a).slice(0, MOST);
  for (const [name, size] of largest)
    if (size > 0) console.log(`  ${(size / 1024).toFixed(0).padStart(8)} KiB  ${name}`);
}

await main();
