import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { enterFreshNamespace, runChild } from '@culvert/testkit';
import { createBatch, openTun } from './index.ts';

const entry = new URL('./index.ts', import.meta.url);

const skip = enterFreshNamespace();

/** Statements for `runChild` and workers: a device that is up, where the kernel's own IPv6 packets wait soon. */
const openUp = `const device = subject.openTun(); device.setUp(); const batch = subject.createBatch(64, 65536);`;

function interfaces(): string[] {
  return execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }).match(/(?<=^\d+: )\w+/gm) ?? [];
}

test('waiting keeps the process alive, an open device alone does not', { skip }, async () => {
  const idle = await runChild(entry, `${openUp} console.log('end');`);
  assert.deepEqual(idle, { status: 0, signal: null, output: 'end' });
  const stopped = await runChild(entry, `${openUp} device.onReadable(() => {}); device.onReadable(undefined);`);
  assert.equal(stopped.status, 0);
  const waiting = await runChild(
    entry,
    `${openUp}
    device.onReadable(() => { batch.count = batch.used = 0; device.readBatch(batch); });
    setTimeout(() => { console.log('still here'); device.close(); }, 200).unref();`,
  );
  assert.deepEqual(waiting, { status: 0, signal: null, output: 'still here' });
});

test('a device may be closed in its own callback', { skip }, async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const device = openTun();
  let calls = 0;
  device.onReadable(() => {
    calls++;
    device.close();
    resolve();
  });
  device.setUp();
  execFileSync('ip', ['address', 'add', '10.9.0.1/24', 'dev', device.name]);
  execFileSync('sh', ['-c', 'ping -c1 -W1 10.9.0.2 || true'], { stdio: 'ignore' });
  await promise;
  await new Promise(setImmediate);
  assert.equal(calls, 1);
});

test('an interface that is deleted under us is reported once', { skip }, async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  using device = openTun();
  let calls = 0;
  device.onReadable(() => {
    calls++;
    try {
      device.readBatch(createBatch(64, 65_536));
    } catch (error) {
      resolve(error);
    }
  });
  execFileSync('ip', ['link', 'del', device.name]);
  assert.equal(((await promise) as { code: string }).code, 'CULVERT_TUN_GONE');
  const before = calls;
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  assert.equal(calls, before, 'it is called no more');
  assert.throws(() => device.writeBatch({ ...createBatch(1, 100), count: 1, lengths: Uint32Array.of(40) }), {
    code: 'CULVERT_TUN_GONE',
  });
  assert.throws(() => device.setUp(), { code: 'CULVERT_TUN_GONE' });
});

test('what the callback throws is an uncaught exception of the program', { skip }, async () => {
  const { output } = await runChild(
    entry,
    `${openUp}
    process.on('uncaughtException', (error) => { console.log(error.message); device.close(); });
    device.onReadable(() => { throw new Error('from the callback'); });`,
  );
  assert.equal(output, 'from the callback');
});

test('a descriptor that was closed behind our back, and came back, does no harm', { skip }, async () => {
  const { output, status } = await runChild(
    entry,
    `
    import { closeSync } from 'node:fs';
    const first = subject.openTun(); first.onReadable(() => {}); closeSync(first.fd);
    const second = subject.openTun(); second.onReadable(() => {});
    console.log(first.fd === second.fd); second.close(); first.close();`,
  );
  assert.deepEqual({ output, status }, { output: 'true', status: 0 });
});

test('two threads use devices at once, and one that is ended while waiting closes its own', { skip }, async () => {
  const before = interfaces();
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData).then((subject) => {
      ${openUp}
      let reads = 0;
      device.onReadable(() => { batch.count = batch.used = 0; device.readBatch(batch); device.writeBatch(batch); reads++; });
      const spare = subject.openTun({ mode: 'tap' });
      for (let i = 0; i < 5; i++) { device.readBatch(batch); batch.count = batch.used = 0; subject.openTun().close(); }
      parentPort.postMessage([device.name, spare.name]);
    });`;
  const workerData = new URL('./index.ts', import.meta.url).href;
  const workers = [1, 2].map(() => new Worker(source, { eval: true, workerData }));
  const names = (await Promise.all(workers.map((worker) => once(worker, 'message')))).flat(2);
  assert.equal(new Set(names).size, 4);
  assert.ok(names.every((name) => interfaces().includes(name)));

  const descriptors = readdirSync('/proc/self/fd').length;
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.deepEqual(interfaces(), before, 'ending the thread closed its devices');
  assert.ok(readdirSync('/proc/self/fd').length < descriptors);
});
