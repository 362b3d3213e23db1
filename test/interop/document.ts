/** Writes docs/interop.md from a run's rows. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cases } from './cases.ts';
import type { Row } from './matrix.ts';

const path = fileURLToPath(new URL('../../docs/interop.md', import.meta.url));

export function writeInteropDocument(rows: readonly Row[], culvertVersion: string): void {
  const { peer = '', version = '' } = rows[0] ?? {};
  const columns = [...new Set(rows.map(({ role, protocol }) => `${role}, ${protocol}`))];
  const names = cases.map(({ name }) => name).filter((name) => rows.some((row) => row.case === name));
  const cell = (name: string, column: string) =>
    rows.find((row) => row.case === name && `${row.role}, ${row.protocol}` === column)?.result ?? 'no result';
  const lines = [
    '# Interoperability',
    '',
    'Real peers in network namespaces, unmodified, as their distributions ship them. `npm run interop` runs the cases anew,',
    '`npm run interop -- --document` writes this page from what it sees.',
    '',
    `## ${peer} ${version} against Culvert ${culvertVersion}, ${new Date().toISOString().slice(0, 10)}`,
    '',
    `| case (what Culvert was, protocol) | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...names.map((name) => `| ${name} | ${columns.map((column) => cell(name, column)).join(' | ')} |`),
    '',
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
  writeFileSync(path, lines.join('\n'));
}
