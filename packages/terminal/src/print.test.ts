import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from './log.ts';
import { harmless, printTable } from './print.ts';

/** What `work` writes to `stream`. */
function written(stream: NodeJS.WriteStream, work: () => void): string {
  const { write } = stream;
  let text = '';
  stream.write = (chunk: string | Uint8Array) => {
    text += String(chunk);
    return true;
  };
  try {
    work();
  } finally {
    stream.write = write;
  }
  return text;
}

test('what a terminal would obey is shown as its escape, in tables and in log lines', () => {
  const name = 'al\u009b31mice\u202e\u001b[2J';
  assert.equal(harmless(name), 'al\\u009b31mice\\u202e\\u001b[2J');
  const table = written(process.stdout, () => printTable(['USER'], [[name, 'a\nb']]));
  assert.equal(table, 'al\\u009b31mice\\u202e\\u001b[2J\ta\\u000ab\n');
  const log = createLogger({ level: 'info', format: 'text' });
  const line = written(process.stderr, () => log.info('refused', { reason: `the name ${JSON.stringify(name)}` }));
  assert.ok(line.includes('refused'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
  assert.doesNotMatch(line.trimEnd(), /[\u0000-\u001f\u007f-\u009f\u202e]/);
});

test('lines below the level are not written, those at it carry what children bound, and no secret', () => {
  const log = createLogger({ level: 'info', format: 'text' }).child({ link: 7 });
  const lines = written(process.stderr, () => {
    log.debug('a decision');
    log.trace('a packet');
    log.child({ user: 'alice' }).info('up', { password: 'hunter2' });
    log.error('down');
  });
  assert.match(lines, /^\S+ info up link=7 user=alice password="?\[secret\]"?\n\S+ error down link=7\n$/);
});
