/** What the documents promise is there. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkGatewayConfig, formatProblem } from '@culvert/config';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');

test('links between documents lead somewhere', () => {
  const broken = globSync(['*.md', 'docs/*.md'], { cwd: root }).flatMap((file) =>
    [...read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map(([, link = '']) => link)
      .filter((link) => !existsSync(join(root, dirname(file), link)))
      .map((link) => `${file}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test('documents that scripts send people to are there', () => {
  for (const file of ['scripts/install', 'scripts/quickstart.ts']) {
    const named = read(file).match(/docs\/[\w.-]+\.\w+/g) ?? [];
    assert.ok(named.length > 0);
    for (const document of named) assert.ok(existsSync(join(root, document)), `${file} names ${document}`);
  }
});

test('the sample configuration is right, and so are the parts that it shows as comments', () => {
  const sample = read('docs/culvertd.yaml');
  const whole = sample
    .replace(/^# (auth|filter):/gm, '$1:')
    .replace(/^#( +-| +rules)/gm, '$1')
    .replace(/# (redirect):/, '$1:');
  assert.notEqual(whole, sample);
  for (const text of [sample, whole]) {
    assert.deepEqual(checkGatewayConfig(text, 'culvertd.yaml').problems.map(formatProblem), []);
  }
});
