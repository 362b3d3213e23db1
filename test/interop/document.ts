/** Writes docs/interop.md from a run's rows, down to what is written by hand. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cases } from './cases.ts';
import type { Row } from './matrix.ts';

const path = fileURLToPath(new URL('../../docs/interop.md', import.meta.url));

/** Where that begins. */
const BY_HAND = '## L2TP/IPsec';

export function writeInteropDocument(rows: readonly Row[], culvertVersion: string): void {
  const { peer = '', version = '' } = rows[0] ?? {};
  const today = new Date().toISOString().slice(0, 10);
  const lines = [
    '# Interoperability',
    '',
    'Real peers in network namespaces, unmodified, as their distributions ship them. `npm run interop` runs the cases anew,',
    '`npm run interop -- --all --document` writes the part on openvpn from what it sees.',
    '',
    `## ${peer} ${version} against Culvert ${culvertVersion}, ${today}`,
    '',
    ...tableOf(rows.filter(({ setting }) => setting === undefined)),
    '',
    ...[...new Set(rows.map(({ setting }) => setting))]
      .filter((setting) => setting !== undefined)
      .flatMap((setting) => [
        `### ${headingOf(setting)}`,
        '',
        `The cases to which that can matter, with transfers of 10 MB, ${today}.`,
        '',
        ...tableOf(rows.filter((row) => row.setting === setting)),
        '',
      ]),
    '## The cases',
    '',
    ...cases.map(({ name, shows }) => `- **${name}**: ${shows}`),
    '',
    '## Known of this peer',
    '',
    '- OpenVPN up to 2.6 says nothing over UDP, and closes the stream over TCP, when it does not like our certificate: our client then names',
    '  the likely causes when its deadline ends or the stream closes.',
    '',
  ];
  const before = readFileSync(path, 'utf8');
  const at = before.indexOf(`\n${BY_HAND}`);
  writeFileSync(path, `${lines.join('\n')}${at < 0 ? '' : before.slice(at)}`);
}

function tableOf(rows: readonly Row[]): string[] {
  const columns = [...new Set(rows.map(({ role, protocol }) => `${role}, ${protocol}`))];
  const names = cases.map(({ name }) => name).filter((name) => rows.some((row) => row.case === name));
  const cell = (name: string, column: string) =>
    rows.find((row) => row.case === name && `${row.role}, ${row.protocol}` === column)?.result ?? 'no result';
  return [
    `| case (what Culvert was, protocol) | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...names.map((name) => `| ${name} | ${columns.map((column) => cell(name, column)).join(' | ')} |`),
  ];
}

function headingOf(setting: string): string {
  return setting
    .replace('no-offload', 'offloads ruled out at our end')
    .replace(/path-mtu-(\d+)/, "a path MTU of $1 behind the client's router")
    .replace(/^./, (first) => first.toUpperCase());
}
