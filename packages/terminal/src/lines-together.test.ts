import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { type Line, LinesTogether } from './lines-together.ts';

class Recorder {
  readonly writes: string[] = [];
  readonly lines = new LinesTogether({ write: (text: string) => this.writes.push(text) > 0 }, (info) => info as Line);

  log(text: string, urgent = false): void {
    this.lines.write({ text, urgent });
  }
}

test('a line that comes alone is written at once, those that follow it closely go together', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const at = new Recorder();
  at.log('one');
  assert.deepEqual(at.writes, ['one\n']);
  at.log('two');
  at.log('three');
  assert.equal(at.writes.length, 1);
  t.mock.timers.tick(20);
  assert.deepEqual(at.writes.slice(1), ['two\nthree\n']);
  at.log('four');
  t.mock.timers.tick(20);
  t.mock.timers.tick(20);
  at.log('five');
  assert.deepEqual(at.writes.slice(2), ['four\n', 'five\n']);
});

test('what is wrong is written at once, behind what waits', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const at = new Recorder();
  at.log('one');
  at.log('two');
  at.log('three', true);
  assert.deepEqual(at.writes, ['one\n', 'two\nthree\n']);
  t.mock.timers.tick(20);
  assert.equal(at.writes.length, 2);
});

test('no more than a bound waits', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const at = new Recorder();
  for (let n = 0; n < 5; n++) at.log('x'.repeat(10_000));
  assert.equal(at.writes.join('').length, 10_001 * 5);
});

test('a process that ends, or fails, has written all its lines', () => {
  const log = new URL('./log.ts', import.meta.url).href;
  for (const end of ['', 'process.exit(0)', "throw new Error('broken')"]) {
    const program = `
      const { createLogger } = await import('${log}');
      const log = createLogger({ level: 'info', format: 'text' });
      for (const name of ['one', 'two', 'three']) log.info(name);
      ${end}`;
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    assert.match(stderr, /info one\n.*info two\n.*info three\n/);
  }
});
