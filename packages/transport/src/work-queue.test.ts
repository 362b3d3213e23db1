import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { WorkQueue } from './work-queue.ts';

const onFault = (error: unknown) => assert.ifError(error);

test('work beyond the budget of a turn waits for the next turn', async () => {
  let now = 0;
  const queue = new WorkQueue({ limit: 100, now: () => now, onFault });
  const done: number[] = [];
  for (let job = 0; job < 6; job++) {
    queue.push(() => {
      now += 2;
      done.push(job);
    });
  }
  await turn();
  assert.deepEqual(done, [0, 1]);
  await turn();
  assert.deepEqual(done, [0, 1, 2, 3]);
  await turn();
  assert.deepEqual(done, [0, 1, 2, 3, 4, 5]);
});

test('a full queue drops and counts', async () => {
  const queue = new WorkQueue({ limit: 2, now: () => 0, onFault });
  const done: number[] = [];
  const taken = Array.from({ length: 5 }, (_, job) => queue.push(() => done.push(job)));
  assert.deepEqual(taken, [true, true, false, false, false]);
  assert.equal(queue.dropped, 3);
  await turn();
  assert.deepEqual(done, [0, 1]);
});

test('work that is pushed while the queue runs is not lost', async () => {
  const queue = new WorkQueue({ limit: 10, now: () => 0, onFault });
  const done: string[] = [];
  queue.push(() => {
    done.push('first');
    queue.push(() => done.push('second'));
  });
  await turn();
  await turn();
  assert.deepEqual(done, ['first', 'second']);
});

test('a job that throws costs no other, in this turn or the next', async () => {
  const faults: unknown[] = [];
  const queue = new WorkQueue({ limit: 10, now: () => 0, onFault: (error) => void faults.push(error) });
  const done: string[] = [];
  queue.push(() => {
    throw 'broken';
  });
  queue.push(() => done.push('behind it'));
  await turn();
  queue.push(() => done.push('later'));
  await turn();
  assert.deepEqual([faults, done], [['broken'], ['behind it', 'later']]);
});
