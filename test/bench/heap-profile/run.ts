/**
 * What both ends allocate on V8's heap while traffic runs through a tunnel, by function, garbage included: the packet path should not
 * be there. The profiles open in the Memory panel of Chromium's developer tools.
 *
 *   scripts/node test/bench/heap-profile/run.ts [--traffic stream|packets] [--seconds N] [--keep FOLDER]
 *
 * stream: one TCP stream, whose packets come as trains. packets: UDP payloads of 64 bytes, each a packet of its own.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { HeapProfiler } from 'node:inspector';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { eventually, type HostProcess, type TestHost } from '@culvert/testkit';
import { buildWorld, type World } from '../../interop/world.ts';
import { startClient, startServer } from '../ends.ts';
import { startListener, transfer } from '../iperf.ts';
import { flood, serveTraffic } from '../traffic.ts';

const sampler = fileURLToPath(new URL('./sampler/main.ts', import.meta.url));
/** Rows of the table. */
const MOST = 12;

/** Of payload in a packet of one TCP stream. */
const PACKET_BYTES = 1_368;
/** Of small packets, a second. */
const RATE = 100_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      traffic: { type: 'string', default: 'stream' },
      seconds: { type: 'string', default: '5' },
      keep: { type: 'string' },
    },
  });
  const load = loads.get(values.traffic);
  if (load === undefined) throw new Error(`--traffic takes ${[...loads.keys()].join(' or ')}`);
  const world = await buildWorld();
  try {
    await measure(world, load, Number(values.seconds), values.keep);
  } finally {
    await world.lab.close();
  }
}

interface Load {
  start(world: World): Promise<void>;
  /** Resolves with how many inner packets the tunnel carried. */
  run(world: World, down: boolean, seconds: number): Promise<number>;
}

const loads: ReadonlyMap<string, Load> = new Map([
  [
    'stream',
    {
      start: startListener,
      run: async (world, down, seconds) => (await transfer(world, { seconds, down })).bytes / PACKET_BYTES,
    },
  ],
  [
    'packets',
    {
      start: serveTraffic,
      run: async (world, down, seconds) => {
        const count = () => (down ? sentTo(world.gateway, 'culvert0') : sentTo(world.client, 'tun0'));
        const before = await count();
        await flood(world, down, seconds, RATE);
        return (await count()) - before;
      },
    },
  ],
]);

/** Packets that the kernel gave a TUN device: each is one, where nobody asks for segmentation. */
async function sentTo(host: TestHost, device: string): Promise<number> {
  const [link] = JSON.parse(await host.exec('ip', ['-json', '-stats', 'link', 'show', device]));
  return link.stats64.tx.packets;
}

async function measure(world: World, load: Load, seconds: number, keep: string | undefined): Promise<void> {
  const folder = profilesFolder(world);
  process.env['NODE_OPTIONS'] = `--import=${sampler}`;
  process.env['CULVERT_HEAP_PROFILES'] = folder;
  const server = await startServer(world, 'culvert');
  const client = await startClient(world, 'culvert');
  await load.start(world);
  // What is compiled and grown once is not the packet path's.
  for (const down of [false, true]) await load.run(world, down, 3);
  for (const [run, down] of [false, true].entries()) {
    const ends = [server, client];
    for (const end of ends) end.signal('SIGUSR2');
    const packets = await load.run(world, down, seconds);
    for (const [end, name] of [[server, 'culvertd'] as const, [client, 'culvert'] as const]) {
      const file = await profileOf(end, `${folder}/${end.pid}-${run + 1}.heapprofile`);
      print(`${name}, ${Math.round(packets)} packets ${down ? 'down' : 'up'}`, packets, readProfile(file));
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

function print(heading: string, packets: number, { head }: Profile): void {
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
  console.log(`\n${heading}: ${(total / 1024).toFixed(0)} KiB, ${(total / packets).toFixed(2)} bytes a packet`);
  const largest = [...sizes].sort(([, a], [, b]) => b - a).slice(0, MOST);
  for (const [name, size] of largest)
    if (size > 0) console.log(`  ${(size / 1024).toFixed(0).padStart(8)} KiB  ${name}`);
}

await main();
