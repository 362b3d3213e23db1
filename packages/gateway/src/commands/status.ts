import { type CommandModule, colour, printJson, printTable } from '@culvert/terminal';
import { askGateway } from '../control-client.ts';
import type { GatewayStatus, SessionStatus } from '../status.ts';
import { type ConfigArguments, configOption, jsonOption, readConfig } from './common.ts';

/** Refusals shown to people; `--json` has all that are kept. */
const shownRefusals = 10;

export const statusCommand: CommandModule<unknown, ConfigArguments & { readonly json: boolean }> = {
  command: 'status',
  describe: 'What runs, who is in, and who was refused and why',
  builder: (y) =>
    jsonOption(configOption(y))
      .example('$0 status', 'exit code 6 when it does not run')
      .example('$0 status --json', 'with counters and all refusals, for scripts'),
  handler: async ({ config: file, json }) => {
    const status = (await askGateway(readConfig(file).control, { command: 'status' })) as GatewayStatus;
    if (json) printJson(status);
    else printStatus(status);
  },
};

export function printSessions(sessions: readonly SessionStatus[]): void {
  const headings = ['ID', 'USER', 'TRANSPORT', 'REMOTE', 'IPV4', 'IPV6', 'STATE', 'FOR', 'IN', 'OUT'];
  const rows = sessions.map((session) => [
    String(session.id),
    session.user,
    session.transport,
    session.remote,
    session.ipv4 ?? '-',
    session.ipv6 ?? '-',
    session.state,
    session.seconds === undefined ? '-' : duration(session.seconds),
    bytes(session.bytesIn),
    bytes(session.bytesOut),
  ]);
  printTable(headings, rows);
}

function printStatus(status: GatewayStatus): void {
  const { ipv4, ipv6, mode } = status.network;
  const networks = [ipv4, ipv6].filter((network) => network !== undefined).join(', ');
  const lines = [
    `culvertd ${status.version} runs since ${status.since} (pid ${status.pid})`,
    `  device     ${status.device}, ${networks}, ${mode}`,
    ...status.listeners.map(({ transport, endpoints }) => `  ${transport.padEnd(10)} ${endpoints.join(', ')}`),
    ...status.warnings.map((warning) => colour('yellow', `  warning    ${warning}`)),
    '',
    `${colour('bold', 'sessions')} ${status.sessions.length}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (status.sessions.length > 0) printSessions(status.sessions);
  if (status.refusals.length === 0) return;
  process.stdout.write(
    `\n${colour('bold', 'did not get in')} (the latest ${shownRefusals} of ${status.refusals.length})\n`,
  );
  const rows = status.refusals
    .slice(-shownRefusals)
    .map(({ time, transport, remote, reason }) => [time, transport, remote, reason]);
  printTable(['TIME', 'TRANSPORT', 'REMOTE', 'REASON'], rows);
}

function duration(seconds: number): string {
  const parts = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  const [days = 0, hours = 0, minutes = 0, rest = 0] = parts;
  if (days > 0) return `${days}d${hours}h`;
  if (hours > 0) return `${hours}h${minutes}m`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}

function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  const value = count / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
