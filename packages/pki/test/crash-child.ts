/**
 * A process that tests kill or starve: `crash-child.ts CREATE|WORK|FILL DIR`. It reports on stdout each thing that it was told is done.
 *
 * CREATE makes a CA. WORK issues and revokes until it dies. FILL does so until the disk is full, frees `DIR/ballast`, and goes on.
 */
import { rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CaDirectory } from '../src/ca-directory.ts';
import { PkiError } from '../src/errors.ts';

const [mode = '', directory = ''] = process.argv.slice(2);
const clock = { unixMillis: () => Date.now() };

/** One write call a line, so that what the parent reads was reported whole. */
function report(what: string, detail: string): void {
  writeSync(1, `${what} ${detail}\n`);
}

async function create(): Promise<CaDirectory> {
  const ca = await CaDirectory.create(directory, {
    name: 'Crash CA',
    passphrase: undefined,
    tlsCryptV2ServerKey: 'a key file',
    clock,
  });
  report('created', directory);
  return ca;
}

async function openUnlocked(): Promise<CaDirectory> {
  const ca = CaDirectory.open(directory, { clock });
  await ca.unlock(undefined);
  report('ready', directory);
  return ca;
}

/** One certificate, and every second one revoked. */
async function step(ca: CaDirectory, n: number): Promise<void> {
  const { serial } = await ca.issue({ name: `user${n}-${process.pid}`, role: 'client' });
  report('issued', serial);
  if (n % 2 === 0) return;
  await ca.revoke(serial, 'superseded');
  report('revoked', serial);
}

async function work(): Promise<void> {
  const ca = await openUnlocked();
  const rounds = Number(process.argv[4] ?? Number.POSITIVE_INFINITY);
  for (let n = 0; n < rounds; n++) await step(ca, n);
  ca.close();
}

async function fill(): Promise<void> {
  const ca = await create();
  let failures = 0;
  for (let n = 0, after = 0; after < 4; n++) {
    try {
      await step(ca, n);
      if (failures > 0) after++;
    } catch (error) {
      report('failed', error instanceof PkiError ? error.code : String(error));
      if (++failures > 3) throw error;
      rmSync(join(dirname(directory), 'ballast'), { force: true });
    }
  }
  ca.close();
  const again = CaDirectory.open(directory, { clock });
  report('list', JSON.stringify(again.list().map(({ serial, revoked }) => [serial, revoked !== undefined])));
  report('crl', JSON.stringify(again.authority.crl));
  again.close();
}

const modes: Readonly<Record<string, () => Promise<unknown>>> = { CREATE: create, WORK: work, FILL: fill };
await modes[mode]?.();
