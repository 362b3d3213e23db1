import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { enterFreshNamespace, missing } from '@culvert/testkit';

const fresh = enterFreshNamespace();
const skip = fresh === false && spawnSync('npm', ['--version']).status !== 0 ? missing('npm is missing') : fresh;

const root = fileURLToPath(new URL('../../..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'culvert-pack-'));
/** No settings and no cache but those of the test. */
const env = { PATH: process.env['PATH'], HOME: project, npm_config_cache: join(project, 'cache') };

before(() => {
  if (skip !== false) return;
  const packed = execFileSync(join(root, 'scripts/pack-tun-tap'), [project], { env, encoding: 'utf8' }).trim();
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', packed], { cwd: project, env });
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  writeFileSync(join(project, 'example.js'), example);
});

after(() => rmSync(project, { recursive: true }));

/** Runs the README's example until a ping through it was answered. */
async function answersPing(node: string): Promise<void> {
  const example = spawn(node, ['example.js'], { cwd: project, env, stdio: ['ignore', 'inherit', 'pipe'] });
  let errors = '';
  example.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const ended = once(example, 'exit');
  try {
    const deadline = Date.now() + 10_000;
    const ping = () => spawnSync('ping', ['-c1', '-W1', '10.9.0.2'], { encoding: 'utf8' });
    while (ping().status !== 0) {
      assert.equal(example.exitCode, null, errors);
      assert.ok(Date.now() < deadline, `no answer: ${errors}`);
      await new Promise(setImmediate);
    }
  } finally {
    example.kill();
    await ended;
  }
}

test('the packed package runs the example of its README in an empty project', { skip }, () =>
  answersPing(process.execPath),
);

test('the packed package runs on the Node of this machine', { skip }, async (t) => {
  const other = spawnSync('node', ['-p', 'process.execPath'], { env, encoding: 'utf8' }).stdout?.trim();
  if (!other || other === process.execPath) return t.skip('this machine has no Node of its own');
  return answersPing(other);
});

test('the packed package has types', { skip }, () => {
  const source = `import { openTun, type TunDevice } from '@culvert/tun-tap';\nexport const device: TunDevice = openTun({ mode: 'tap' });\n`;
  writeFileSync(join(project, 'user.ts'), source);
  const tsc = join(root, 'node_modules/.bin/tsc');
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--lib',
    'es2024,esnext.disposable',
    '--types',
    '',
  ];
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, 'user.ts'], {
    cwd: project,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
});
