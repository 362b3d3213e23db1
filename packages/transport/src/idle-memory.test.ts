import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '@culvert/testkit';
import { IdleWatch } from './idle-memory.ts';

const MIB = 1024 * 1024;

test('a heap that has grown is due when its thread is quiet, and not before', () => {
  const watch = new IdleWatch();
  assert.equal(watch.look(0.5, 100 * MIB), false, 'at work');
  assert.equal(watch.look(0.03, 100 * MIB), false, 'a voice call');
  assert.equal(watch.look(0.002, 100 * MIB), true);
  watch.handleReturned(30 * MIB);
  assert.equal(watch.look(0.002, 34 * MIB), false, 'little to give');
  assert.equal(watch.look(0.002, 38 * MIB), true);
  watch.handleReturned(30 * MIB);
  assert.equal(watch.look(0.002, 20 * MIB), false, 'V8 gave some back by itself');
  assert.equal(watch.look(0.002, 28 * MIB), true);
});

test('what was alive at the last return is given back once it is gone, though the heap does not grow', () => {
  const watch = new IdleWatch();
  const quietLooks = (count: number) => Array.from({ length: count }, () => watch.look(0.002, 80 * MIB));
  watch.handleReturned(80 * MIB);
  assert.ok(!quietLooks(100).includes(true), 'nothing has happened');
  watch.handleReturned(80 * MIB);
  assert.equal(watch.look(0.2, 80 * MIB), false, 'the links end');
  assert.equal(quietLooks(28).includes(true), false, 'not too often');
  assert.equal(watch.look(0.002, 80 * MIB), true);
});

for (const where of ['the main thread', 'a worker thread'])
  test(`what ${where} no longer uses goes back to the kernel`, async (t) => {
    const words = [
      '--expose-gc',
      '--disable-warning=ExperimentalWarning',
      fileURLToPath(new URL('../test/hoard.ts', import.meta.url)),
    ];
    const child = spawn(process.execPath, [...words, where === 'a worker thread' ? 'worker' : 'main'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    let told = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    await eventually('it holds much', () => told.includes('held\n'));
    const hoarded = residentMib(child.pid);
    assert.ok(hoarded > 200, `${hoarded} MiB with what it holds`);
    child.stdin.end();
    await eventually('the memory is back', () => residentMib(child.pid) < hoarded - 130);
    await eventually('it says so', () => told.includes('quiet: memory given back\n'));
  });

function residentMib(pid: number | undefined): number {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}
