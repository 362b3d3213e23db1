/**
 * The interop matrix: every case with real peers, in every role of ours, over every protocol.
 *
 *   npm run interop -- [--json] [--transport openvpn] [--role server|client|none]... [--only PATTERN] [--list] [--log]
 *                     [--document] [--no-offload] [--path-mtu BYTES] [--short] [--all] [--lanes N]
 *
 * --role none runs the peer against itself: it shows that the harness works. --only takes a regular expression over ids.
 * --log prints what both ends said, of failed cases always. --document writes docs/interop.md. --no-offload rules trains out
 * at our ends. --path-mtu makes the path between the client's router and the gateway take no more than so many bytes. --short leaves out the
 * cases to which neither can matter, and moves 10 MB instead of 100. --all runs everything as usual, then both in their short forms.
 * --lanes runs so many cases at once. Exit code 1 when a case failed or had no result.
 */
import { parseArgs } from 'node:util';
import { writeInteropDocument } from './document.ts';
import { culvert } from './ends/culvert.ts';
import { plans, type Role, type Row, runPlans } from './matrix.ts';
import { allSettings, LEAST_PATH_MTU, settingOf } from './settings.ts';

const roles: readonly Role[] = ['server', 'client', 'none'];

function options() {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      transport: { type: 'string' },
      role: { type: 'string', multiple: true, default: ['server', 'client'] },
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      log: { type: 'boolean', default: false },
      document: { type: 'boolean', default: false },
      'no-offload': { type: 'boolean', default: false },
      'path-mtu': { type: 'string' },
      short: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      lanes: { type: 'string', default: '1' },
    },
  });
  const lanes = Number(values.lanes);
  if (!Number.isInteger(lanes) || lanes < 1) throw new Error(`--lanes takes a number from 1 on, not ${values.lanes}`);
  if (values.transport !== undefined && values.transport !== 'openvpn') {
    throw new Error(`there is no transport ${values.transport}; there is openvpn`);
  }
  const chosen = values.role.map((role) => {
    const known = roles.find((one) => one === role);
    if (known === undefined) throw new Error(`there is no role ${role}; there are ${roles.join(', ')}`);
    return known;
  });
  const pathMtu = values['path-mtu'] === undefined ? undefined : Number(values['path-mtu']);
  if (pathMtu !== undefined && !(pathMtu >= LEAST_PATH_MTU && pathMtu <= 1_500))
    throw new Error(`--path-mtu takes a number from ${LEAST_PATH_MTU} to 1500, not ${values['path-mtu']}`);
  const settings = values.all
    ? allSettings
    : [settingOf({ noOffload: values['no-offload'], pathMtu, short: values.short })];
  return { ...values, lanes, roles: chosen, settings };
}

/** People read stderr as the cases run; programs read one object on stdout at the end. */
function tell(row: Row, log: string, showLog: boolean): void {
  const mark = { pass: 'pass', fail: 'FAIL', skip: 'skip' }[row.result];
  process.stderr.write(`${mark}  ${row.id.padEnd(44)} ${row.seconds.toFixed(1).padStart(5)} s  ${row.detail}\n`);
  if (showLog || row.result === 'fail') process.stderr.write(`${log.replace(/^/gm, '      | ')}\n`);
}

function printMatrix(rows: readonly Row[]): void {
  const columnOf = ({ role, protocol, setting }: Row) =>
    [role, protocol, ...(setting === undefined ? [] : [setting])].join('/');
  const columns = [...new Set(rows.map(columnOf))];
  const columnWidth = Math.max(...columns.map(({ length }) => length)) + 2;
  const names = [...new Set(rows.map((row) => row.case))];
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const { peer, version } = rows[0] ?? { peer: '', version: '' };
  console.log(`\nPeer: ${peer} ${version}. Columns: what Culvert was, and the protocol.\n`);
  console.log(''.padEnd(width) + columns.map((column) => column.padEnd(columnWidth)).join(''));
  for (const name of names) {
    const cell = (column: string) => rows.find((row) => row.case === name && columnOf(row) === column)?.result ?? '-';
    console.log(name.padEnd(width) + columns.map((column) => cell(column).padEnd(columnWidth)).join(''));
  }
}

async function main(): Promise<void> {
  const { json, roles: chosen, only, list, log, document, settings, lanes } = options();
  const planned = plans({ roles: chosen, only, settings });
  if (list) {
    for (const { id } of planned) console.log(id);
    return;
  }
  const rows = await runPlans(planned, (row, text) => tell(row, text, log), lanes);
  const count = (result: Row['result']) => rows.filter((row) => row.result === result).length;
  if (document) writeInteropDocument(rows, (await culvert.version()) ?? '');
  if (json) console.log(JSON.stringify({ rows }, null, 2));
  else printMatrix(rows);
  process.stderr.write(`\n${count('pass')} pass, ${count('fail')} fail, ${count('skip')} skip\n`);
  if (count('fail') > 0 || rows.length !== planned.length || rows.length === 0) process.exitCode = 1;
}

// An interrupted run removes its namespaces too: the lab does so when the process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
await main();
