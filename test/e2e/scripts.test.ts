/** The scripts that a newcomer runs first. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, inTime, labIsPossible } from '@culvert/testkit';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What of this machine the scripts must leave alone. */
function machine(): string {
  const shell =
    'ip -o link | sed "s/@.*//"; ip route show table all | grep -v cache | sed "s/ expires [^ ]*//"; nft list ruleset; cat /etc/resolv.conf';
  return execFileSync('sh', ['-c', shell], { encoding: 'utf8' });
}

function start(...args: string[]) {
  const child = spawn(`${root}scripts/quickstart`, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const run = { output: '', child, ended: Promise.withResolvers<number | null>() };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      run.output += text;
    });
  }
  child.on('close', (code) => run.ended.resolve(code));
  return run;
}

/** Namespaces of a quickstart. */
const namespacesOf = ({ child }: ReturnType<typeof start>) =>
  readdirSync('/run/netns').filter((name) => name.startsWith(`cv-t${child.pid}-`));

test('a second set-up takes less than two seconds', () => {
  execFileSync(`${root}scripts/setup`, { stdio: 'ignore' });
  // The best of several, since others want the processor too.
  const seconds: number[] = [];
  do {
    const started = performance.now();
    execFileSync(`${root}scripts/setup`, { stdio: 'ignore' });
    seconds.push((performance.now() - started) / 1_000);
  } while (Math.min(...seconds) >= 2 && seconds.length < 5);
  assert.ok(Math.min(...seconds) < 2, `${seconds.map((each) => each.toFixed(1))} s`);
});

test('the quickstart shows pings, a fetch and the throughput, and leaves the machine as it was', async (t) => {
  if (!labIsPossible(t, ['ping', 'curl', 'iperf3', 'nft'])) return;
  const before = machine();
  const run = start();
  const code = await inTime('the quickstart', run.ended.promise, 120_000);
  assert.equal(code, 0, run.output);
  // Ping waits for its last answer no longer than for the others, which a busy machine may not keep up with.
  assert.match(run.output, /ping 10\.77\.0\.2: (?:0|20)% packet loss/);
  assert.match(run.output, /ping fd77::2: (?:0|20)% packet loss/);
  assert.equal(run.output.match(/hello from the office/g)?.length, 2);
  assert.match(run.output, /upload: \d+ Mbit\/s/);
  assert.match(run.output, /download: \d+ Mbit\/s/);
  assert.match(run.output, /culvert-ca init/);
  assert.equal(machine(), before);
});

test('an interrupted quickstart cleans up', async (t) => {
  if (!labIsPossible(t, ['ping', 'curl', 'iperf3', 'nft'])) return;
  const before = machine();
  const run = start('--keep');
  await eventually('culvertd runs', () => run.output.includes('culvertd listens') || undefined, 60_000);
  assert.ok(namespacesOf(run).length > 0);
  // As a terminal does it: the whole process group gets the signal.
  process.kill(-(run.child.pid ?? 0), 'SIGINT');
  assert.equal(await inTime('the end', run.ended.promise, 30_000), 130, 'as shells tell of SIGINT');
  assert.equal(machine(), before);
  assert.deepEqual(namespacesOf(run), []);
});
