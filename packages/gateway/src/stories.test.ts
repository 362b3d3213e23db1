import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import type { TransportEvent } from '@culvert/core';
import { Stories } from './stories.ts';

function open() {
  let now = 0;
  const stories = new Stories({ now: () => now as Instant, date: () => `at ${now}` });
  const pathFrom = (address: string) => ({
    socket: 0,
    local: { address: '198.51.100.1', port: 1 },
    remote: { address, port: 40_000 },
  });
  const refuse = (id: number, from = '192.0.2.1', reason = 'wrong password') =>
    stories.handle('memory', { kind: 'refused', id, path: pathFrom(from), reason });
  const note = (id: number, message: string, fields: Extract<TransportEvent, { kind: 'note' }>['fields'] = {}) =>
    stories.handle('memory', { kind: 'note', id, message, fields });
  const begin = (id: number, transport = 'memory') =>
    stories.handle(transport, { kind: 'attempt', id, path: pathFrom('192.0.2.1') });
  const attach = (id: number, transport = 'memory') => stories.attach({ transport, id, path: pathFrom('192.0.2.1') });
  return { stories, refuse, note, begin, attach, pathFrom, wait: (millis: number) => void (now += millis) };
}

test('a try that came to nothing is told from its begin to its reason, with both offers', () => {
  const bed = open();
  bed.begin(7);
  bed.wait(120);
  bed.note(7, 'no proposal in common', { phase: 1, offered: ['3des', 'des'], accepted: ['aes256'] });
  bed.refuse(7, '192.0.2.1', 'the peer offers 3des, des; accepted here: aes256');
  const [story] = bed.stories.failed;
  assert.equal(story?.attempt, 'a1');
  assert.equal(story?.outcome, 'refused');
  assert.match(story?.reason ?? '', /the peer offers 3des/);
  assert.deepEqual(story?.offers, [{ phase: '1', offered: ['3des', 'des'], accepted: ['aes256'] }]);
  assert.deepEqual(
    story?.steps.map(({ seconds, what, fields }) => [seconds, what, fields]),
    [
      [0.12, 'no proposal in common', { phase: '1' }],
      [0.12, 'refused', {}],
    ],
  );
  assert.deepEqual(bed.stories.underWay, []);
});

test('a link’s story goes on while it is up, and ends with it; transports have numbers of their own', () => {
  const bed = open();
  for (const transport of ['memory', 'other']) bed.begin(1, transport);
  assert.equal(bed.stories.underWay.length, 2);
  bed.attach(1);
  bed.wait(3_600_000);
  bed.stories.handle('memory', { kind: 'rekeyed', id: 1 });
  const [from, to] = [bed.pathFrom('192.0.2.1'), bed.pathFrom('192.0.2.9')];
  bed.stories.handle('memory', { kind: 'roamed', id: 1, from, to });
  const link = { transport: 'memory', id: 1 };
  const story = bed.stories.ofLink(link);
  assert.deepEqual(
    story?.steps.map(({ what }) => what),
    ['up', 'new keys', 'the peer moved'],
  );
  assert.equal(story?.remote?.address, '192.0.2.9');
  assert.equal(bed.stories.ofLink({ transport: 'other', id: 1 }), undefined, 'it is not up');
  bed.stories.detach(link);
  bed.note(1, 'said goodbye');
  assert.equal(bed.stories.ofLink(link), undefined);
  assert.deepEqual(
    bed.stories.underWay.map(({ transport }) => transport),
    ['other'],
    'last words begin no new story',
  );
});

test('who tries all the time pushes out no others, and no more than 64 tries are kept', () => {
  const bed = open();
  bed.refuse(1, '203.0.113.5');
  for (let id = 2; id < 500; id++) bed.refuse(id);
  assert.equal(bed.stories.failed.length, 17);
  assert.equal(bed.stories.failed[0]?.remote?.address, '203.0.113.5');
  assert.equal(bed.stories.failed.at(-1)?.attempt, 'a499');
  for (let id = 500; id < 1_000; id++) bed.refuse(id, `10.0.${id >> 8}.${id & 255}`);
  assert.equal(bed.stories.failed.length, 64);
});

test('what a stranger says is cut: long texts, many notes, many names, many tries', () => {
  const bed = open();
  const long = 'x'.repeat(100_000);
  const names = Array.from({ length: 10_000 }, () => long);
  for (let i = 0; i < 1_000; i++)
    bed.note(1, long, Object.fromEntries(names.map((name, at) => [`${at}${name}`, name]).slice(0, 20)));
  for (let i = 0; i < 10; i++) bed.note(1, 'offers', { offered: names, accepted: names });
  bed.refuse(1, '192.0.2.1', long);
  const size = JSON.stringify(bed.stories.failed).length;
  assert.ok(size < 90_000, `${size} characters`);
  for (let id = 2; id < 5_000; id++) bed.begin(id);
  assert.equal(bed.stories.underWay.length, 1_024);
});

test('a value of any kind becomes text', () => {
  const bed = open();
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  bed.note(1, 'odd', { circle, big: 7n, none: undefined, list: ['a', 'b'], bytes: new Uint8Array([1]) });
  bed.refuse(1);
  const { fields } = bed.stories.failed[0]?.steps[0] ?? {};
  assert.deepEqual(Object.keys(fields ?? {}), ['circle', 'big', 'list', 'bytes']);
  assert.equal(fields?.['big'], '7');
  assert.equal(fields?.['list'], 'a, b');
});
