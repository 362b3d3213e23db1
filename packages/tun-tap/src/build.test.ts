import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missing } from '@culvert/testkit';

const script = fileURLToPath(new URL('../../../scripts/build-native', import.meta.url));
const skip = spawnSync('g++', ['--version']).status === 0 ? false : missing('g++ is missing');
const out = mkdtempSync(join(tmpdir(), 'culvert-build-'));
after(() => rmSync(out, { recursive: true }));

function build(env: Record<string, string>, ...args: string[]) {
  return spawnSync(script, ['--out', out, ...args, 'tun-tap'], {
    env: { PATH: process.env['PATH'] ?? '', HOME: join(out, 'no-home'), ...env },
    encoding: 'utf8',
  });
}

test('the addon builds without a home directory or settings, loads, and is built once', { skip }, () => {
  const first = build({});
  assert.equal(first.stdout, 'build-native: built tun-tap\n', first.stderr);
  const addon = createRequire(import.meta.url)(join(out, 'tun-tap.node')) as { readBatch: unknown };
  assert.equal(typeof addon.readBatch, 'function');
  assert.equal(build({}).stdout, 'build-native: tun-tap is up to date\n');
});

test('without a compiler the script says what to install', () => {
  const { status, stderr } = build({ CXX: 'no-such-compiler' }, '--force');
  assert.equal(status, 1);
  assert.match(stderr, /no C\+\+ compiler.*apt-get install g\+\+/);
});
