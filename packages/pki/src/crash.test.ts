/** What was reported as done is there after kill -9 at any moment, on a full disk, and when two processes work at once. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { CaDirectory } from './ca-directory.ts';
import { parseCrl } from './crl.ts';

const clock = { unixMillis: () => Date.now() };
const child = join(import.meta.dirname, '../test/crash-child.ts');
const options = ['--disable-warning=ExperimentalWarning', child];

function temporary(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'cv-pki-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function makeCa(t: TestContext): Promise<string> {
  const path = join(temporary(t), 'ca');
  (
    await CaDirectory.create(path, {
      name: 'Crash CA',
      passphrase: undefined,
      tlsCryptV2ServerKey: 'a key file',
      clock,
    })
  ).close();
  return path;
}

/** What a child said it had done. */
interface Reports {
  readonly issued: Set<string>;
  readonly revoked: Set<string>;
}

/** Collects a child's lines until it ends; `onLine` may kill it. */
async function follow(process_: ChildProcess, reports: Reports, onLine: (what: string) => void): Promise<void> {
  assert.ok(process_.stdout);
  const lines = createInterface({ input: process_.stdout });
  lines.on('line', (line) => {
    const [what = '', detail = ''] = line.split(' ');
    if (what === 'issued' || what === 'revoked') reports[what].add(detail);
    onLine(what);
  });
  await Promise.all([once(process_, 'exit'), once(lines, 'close')]);
}

function assertNothingLost(path: string, reports: Reports): void {
  const ca = CaDirectory.open(path, { clock });
  const records = new Map(ca.list().map((record) => [record.serial, record]));
  for (const serial of reports.issued) {
    assert.ok(records.has(serial), `certificate ${serial} was reported and is gone`);
    assert.match(ca.privateKey(serial), /BEGIN PRIVATE KEY/);
  }
  const { serials } = parseCrl(readFileSync(join(path, 'crl.pem'), 'utf8'));
  for (const serial of reports.revoked)
    assert.ok(serials.has(serial), `revocation of ${serial} was reported and is not in the CRL`);
  const recorded = [...records.values()]
    .filter((record) => record.revoked !== undefined)
    .map((record) => record.serial);
  assert.deepEqual([...serials].sort(), recorded.sort(), 'the CRL lists what is recorded');
  ca.close();
}

test('kill -9 at random moments loses no reported certificate and no reported revocation', async (t) => {
  const path = await makeCa(t);
  const reports: Reports = { issued: new Set(), revoked: new Set() };
  for (let round = 0; round < 15; round++) {
    const worker = spawn(process.execPath, [...options, 'WORK', path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const killAfter = (5 * round) % 12;
    let lines = 0;
    await follow(worker, reports, () => {
      // Not on a line but some time after it: in the middle of the next certificate or revocation.
      if (lines++ === killAfter) setTimeout(() => worker.kill('SIGKILL'), Math.random() * 8);
    });
    assertNothingLost(path, reports);
  }
  assert.ok(reports.issued.size > 20 && reports.revoked.size > 10, `enough happened (${reports.issued.size} issued)`);
});

test('kill -9 while a CA is made leaves a whole one or none, and it can be made again', async (t) => {
  const outcomes = new Set<string>();
  for (let round = 0; round < 8; round++) {
    const path = join(temporary(t), 'ca');
    const maker = spawn(process.execPath, [...options, 'CREATE', path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(maker, 'exit');
    // Most of the time goes into starting: the moments that matter come after the directory appeared.
    while (!existsSync(path)) await new Promise((resolve) => setImmediate(resolve));
    const timer = setTimeout(() => maker.kill('SIGKILL'), Math.random() * 120);
    await ended;
    clearTimeout(timer);
    const whole = existsSync(join(path, 'ca.sqlite'));
    outcomes.add(whole ? 'whole' : 'none');
    const ca = whole
      ? CaDirectory.open(path, { clock })
      : await CaDirectory.create(path, {
          name: 'Again',
          passphrase: undefined,
          tlsCryptV2ServerKey: 'a key file',
          clock,
        });
    await ca.unlock(undefined);
    await ca.issue({ name: 'alice', role: 'client' });
    ca.close();
    assert.deepEqual(readdirSync(path).sort(), ['ca.crt', 'ca.sqlite', 'crl.pem', 'tls-crypt-v2-server.key'].sort());
  }
  t.diagnostic(`outcomes: ${[...outcomes].join(', ')}`);
});

test('two processes at once lose nothing of each other, and the CRL lists the revocations of both', async (t) => {
  const path = await makeCa(t);
  const reports: Reports = { issued: new Set(), revoked: new Set() };
  const workers = [1, 2].map(() =>
    spawn(process.execPath, [...options, 'WORK', path, '12'], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  await Promise.all(workers.map((worker) => follow(worker, reports, () => undefined)));
  assert.deepEqual(
    workers.map((worker) => worker.exitCode),
    [0, 0],
  );
  assert.deepEqual([reports.issued.size, reports.revoked.size], [24, 12]);
  assertNothingLost(path, reports);
});

test('a full disk fails what does not fit, keeps what was reported, and goes on when there is room', (t) => {
  const base = temporary(t);
  const script = `mount -t tmpfs -o size=192k cv-full "$0" && head -c 81920 /dev/zero > "$0/ballast" && exec "$@"`;
  const args = ['-m', 'sh', '-c', script, base, process.execPath, ...options, 'FILL', join(base, 'ca')];
  const { stdout, stderr, status, error } = spawnSync('unshare', args, { encoding: 'utf8' });
  const impossible = error !== undefined || /unshare failed|permission denied|must be superuser/i.test(stderr);
  if (impossible && process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1')
    return t.skip('needs root and unshare, for a disk of its own');
  assert.equal(status, 0, stderr);

  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line): [string, string] => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
  const all = (what: string) => lines.filter(([kind]) => kind === what).map(([, detail]) => detail);
  assert.ok(all('failed').length > 0, 'the disk was full once');
  for (const code of all('failed')) assert.match(code, /^CULVERT_PKI_(?:WRITE|PUBLISH)$/);
  const list = new Map(JSON.parse(all('list')[0] ?? '[]') as [string, boolean][]);
  for (const serial of all('issued')) assert.ok(list.has(serial), `certificate ${serial} was reported and is gone`);
  const { serials } = parseCrl(JSON.parse(all('crl')[0] ?? '""'));
  for (const serial of all('revoked'))
    assert.ok(list.get(serial) && serials.has(serial), `revocation of ${serial} was reported and is gone`);
  return undefined;
});
