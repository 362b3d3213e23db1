import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const child = fileURLToPath(new URL('../test/ask-child.ts', import.meta.url));

/** What the screen shows when `keys` are typed at the first question. */
async function screenAfter(t: TestContext, keys: string): Promise<string> {
  const script = spawn('script', ['-qec', `${process.execPath} ${child}`, '/dev/null']);
  t.after(() => script.kill());
  let screen = '';
  script.stdout.setEncoding('utf8').on('data', (text: string) => {
    const asked = screen.includes('Name: ');
    screen += text;
    if (!asked && screen.includes('Name: ')) script.stdin.write(keys);
  });
  await once(script, 'close');
  return screen;
}

function withoutScript(t: TestContext): boolean {
  if (spawnSync('script', ['--version']).error === undefined) return false;
  assert.ok(process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1', 'the program script is not installed');
  t.skip('the program script is not installed');
  return true;
}

test('an answer is shown, a secret is not, and what is typed ahead answers the next question', async (t) => {
  if (withoutScript(t)) return;
  const screen = await screenAfter(t, 'alX\u007fice\rgeheim\r');
  assert.match(screen, /Name: alX[\b] [\b]ice\r\nPassword: \r\n5 and 6 characters/);
});

test('erased keys are no part of the answer', async (t) => {
  if (withoutScript(t)) return;
  assert.match(await screenAfter(t, 'nobody\u0015\u007fbob\rx\u007f\u007fyz\u0001\r'), /3 and 2 characters/);
});

for (const [name, key] of [
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
] as const) {
  test(`${name} gives up`, async (t) => {
    if (withoutScript(t)) return;
    assert.match(await screenAfter(t, `al${key}`), /UsageError: given up/);
  });
}

test('without a terminal the error says what to use', () => {
  const { status, stderr } = spawnSync(process.execPath, [child], { encoding: 'utf8', input: 'alice\n' });
  assert.equal(status, 1);
  assert.match(stderr, /there is no terminal to ask on: use --name/);
});
