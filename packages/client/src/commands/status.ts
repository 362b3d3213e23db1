/** `culvert status`: what runs, and how it is. */
import { readdir } from 'node:fs/promises';
import type { CommandModule } from '@culvert/terminal';
import { colour, ExitCode, printJson, printTable } from '@culvert/terminal';
import { askControl } from '../control.ts';
import { ClientError } from '../errors.ts';
import { placesOf, runFiles } from '../paths.ts';
import { profileNameOf } from '../profile-store.ts';
import type { TunnelDescription } from '../status.ts';
import { withJson } from './options.ts';

interface StatusArgs {
  readonly name: string | undefined;
  readonly json: boolean;
}

const STATUS_MS = 3_000;

export const statusCommand: CommandModule<object, StatusArgs> = {
  command: 'status [name]',
  describe: 'Show the tunnels that are up; exit code 6 when there is none',
  builder: (y) =>
    withJson(y)
      .positional('name', { type: 'string', describe: 'A profile by name' })
      .example('$0 status', 'all of them, a line each')
      .example('$0 status office --json', 'for scripts'),
  handler: async ({ name, json }) => {
    if (name === undefined) await showAll(json);
    else await showOne(profileNameOf(name), json);
  },
};

async function showAll(json: boolean): Promise<void> {
  const { run } = placesOf(undefined);
  const entries = await readdir(run).catch(() => []);
  const names = entries.flatMap((entry) => /^client-(.+)\.sock$/.exec(entry)?.[1] ?? []);
  const found = (await Promise.all(names.sort().map(ask))).filter((description) => description !== undefined);
  if (found.length === 0) process.exitCode = ExitCode.notRunning;
  if (json) return printJson(found);
  if (found.length === 0) return void process.stderr.write('no tunnel is up\n');
  printTable(
    ['PROFILE', 'STATE', 'TRANSPORT', 'DEVICE', 'ADDRESSES', 'SERVER', 'IN', 'OUT'],
    found.map((it) => [
      it.profile,
      it.state,
      it.transport,
      it.device,
      it.addresses.join(' ') || '-',
      it.server?.host ?? '-',
      bytes(it.traffic?.bytesIn),
      bytes(it.traffic?.bytesOut),
    ]),
  );
}

async function showOne(name: string, json: boolean): Promise<void> {
  const found = await ask(name);
  if (found === undefined) {
    if (json) printJson({ profile: name, state: 'down' });
    throw new ClientError('CULVERT_CLIENT_NOT_RUNNING', name);
  }
  if (json) return printJson(found);
  const lines = details(found).filter(([, value]) => value !== '');
  const width = Math.max(...lines.map(([label]) => label.length));
  for (const [label, value] of lines) process.stdout.write(`${colour('bold', label.padEnd(width))} ${value}\n`);
}

function details(it: TunnelDescription): [label: string, value: string][] {
  const { server, traffic } = it;
  const redirect = Object.entries(it.redirect).filter(([, what]) => what !== 'no');
  return [
    ['profile', it.profile],
    ['state', `${it.state} since ${it.since}`],
    ['trouble', it.trouble ?? ''],
    ['server', server === null ? '' : `${server.host} (${server.address} port ${server.port}, ${server.protocol})`],
    ['transport', it.transport],
    ['device', it.device],
    ['addresses', it.addresses.join(' ')],
    ['mtu', it.mtu === null ? '' : String(it.mtu)],
    ['redirect', redirect.map(([family, what]) => `${family}: ${what}`).join(', ')],
    ['routes', it.routes.join(' ')],
    ['dns', [...it.dns.servers, ...it.dns.search].join(' ')],
    ['traffic', traffic === null ? '' : `in ${bytes(traffic.bytesIn)}, out ${bytes(traffic.bytesOut)}`],
    ...Object.entries(it.facts).map(([label, value]): [string, string] => [label, value]),
    ['process', String(it.pid)],
  ];
}

async function ask(name: string): Promise<TunnelDescription | undefined> {
  const { socket } = runFiles(placesOf(undefined), name);
  try {
    return (await askControl(socket, { command: 'status' }, STATUS_MS)) as TunnelDescription;
  } catch (error) {
    if (error instanceof ClientError && error.code === 'CULVERT_CLIENT_NOT_RUNNING') return undefined;
    throw error;
  }
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function bytes(count: number | undefined): string {
  if (count === undefined) return '-';
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
