/** Holds every import to the table of rooms. A breach names the file, the line and the reason of the rule. */
import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Import, importsIn, importsOf } from './architecture/imports.ts';
import { type Room, repeatableCrypto, rooms } from './architecture/rooms.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const isTest = (file: string) => /\.test\.ts$|^packages\/[^/]+\/test\//.test(file);
const roomOf = (file: string) => /^packages\/([^/]+)\//.exec(file)?.[1] ?? '';

test('every package is a room of the table, and every room a package', () => {
  assert.deepEqual(readdirSync(`${root}/packages`).sort(), Object.keys(rooms).sort());
});

test('every import is allowed by the table of rooms', () => {
  const imports = importsOf(root, 'packages/*/{src,test}/**/*.ts');
  assert.ok(imports.length > 100, 'the reader finds the imports');
  assert.deepEqual(imports.flatMap(breaches), []);
});

test('the dependencies of each package.json are allowed by the table of rooms', () => {
  for (const [name, room] of Object.entries(rooms)) {
    const text = readFileSync(`${root}/packages/${name}/package.json`, 'utf8');
    const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
    const allowed = [...room.may, ...(room.typesOf ?? [])].map((other) => `@culvert/${other}`);
    const strangers = Object.keys(dependencies).filter(
      (other) => !allowed.includes(other) && room.others?.[other] === undefined,
    );
    assert.deepEqual(strangers, [], `packages/${name}/package.json: ${room.why}`);
  }
});

test('the table itself points one way', () => {
  const visit = (name: string, path: readonly string[]): void => {
    assert.ok(!path.includes(name), `a circle: ${[...path, name].join(' → ')}`);
    for (const next of rooms[name]?.may ?? []) visit(next, [...path, name]);
  };
  for (const name of Object.keys(rooms)) visit(name, []);
});

test('the lint that keeps clocks, timers and the console out covers every pure room', () => {
  const { overrides } = JSON.parse(readFileSync(`${root}/biome.json`, 'utf8'));
  const covered = overrides.flatMap((override: { includes: string[] }) => override.includes);
  for (const [name, { pure }] of Object.entries(rooms)) {
    if (pure === true) assert.ok(covered.includes(`packages/${name}/src/**`), name);
  }
});

test('Math.random is in no room but in tests', () => {
  const users = globSync('packages/*/src/**/*.ts', { cwd: root }).filter(
    (file) => !isTest(file) && /\bMath\.random\b/.test(readFileSync(`${root}/${file}`, 'utf8')),
  );
  assert.deepEqual(users, []);
});

test('a breach of each kind is found', () => {
  const found = (file: string, text: string) => importsIn(file, text).flatMap(breaches).length;
  assert.equal(found('packages/wire/src/a.ts', "import { TunnelCore } from '@culvert/core';"), 1);
  assert.equal(found('packages/wire/src/a.ts', "import { x } from '@culvert/base/src/time.ts';"), 1);
  assert.equal(found('packages/wire/src/a.ts', "import { x } from '../../base/src/time.ts';"), 1);
  assert.equal(found('packages/wire/src/a.ts', "import { readFile } from 'node:fs/promises';"), 1);
  assert.equal(found('packages/openvpn/src/a.ts', "import { createTlsContext } from '@culvert/tls';"), 1);
  assert.equal(found('packages/openvpn/src/a.ts', "import { randomBytes } from 'node:crypto';"), 1);
  assert.equal(found('packages/openvpn/src/a.ts', "import crypto from 'node:crypto';"), 1);
  assert.equal(found('packages/gateway/src/a.ts', "import { VirtualClock } from '@culvert/testkit';"), 1);
  assert.equal(found('packages/gateway/src/a.ts', "const x = await import('left-pad');"), 1);
  assert.equal(found('packages/openvpn/src/a.ts', "import type { TlsEngine } from '@culvert/tls';"), 0);
  assert.equal(found('packages/openvpn/src/a.ts', "import {\n  type A,\n  createHmac,\n} from 'node:crypto';"), 0);
  assert.equal(found('packages/openvpn/src/a.test.ts', "import { LossyLink } from '@culvert/testkit';"), 0);
});

function breaches(found: Import): string[] {
  const { file, line, specifier } = found;
  const name = roomOf(file);
  const room = rooms[name];
  if (room === undefined) return [`${file}: there is no room ${name}`];
  const why = breachOf(found, name, room);
  return why === undefined ? [] : [`${file}:${line}: ${specifier}: ${why}`];
}

function breachOf({ file, specifier, typeOnly, names }: Import, name: string, room: Room): string | undefined {
  if (specifier.startsWith('.')) {
    const target = new URL(specifier, `file:///${file}`).pathname.slice(1);
    return roomOf(target) === name ? undefined : 'another package is imported by its name';
  }
  const [, other, inside] = /^@culvert\/([^/]+)(\/.*)?$/.exec(specifier) ?? [];
  if (inside !== undefined) return 'a package is entered through its entry alone';
  if (other === name) return undefined;
  if (isTest(file)) return undefined;
  if (other !== undefined) {
    if (room.may.includes(other) || (typeOnly && room.typesOf?.includes(other))) return undefined;
    return `${name} may not: ${room.why}`;
  }
  if (specifier.startsWith('node:')) return isPure(file, room) ? impurity(specifier, typeOnly, names) : undefined;
  return room.others?.[specifier] === undefined ? `${name} has no reason in the table for this dependency` : undefined;
}

function isPure(file: string, { pure }: Room): boolean {
  return pure === true || pure?.test(file) === true;
}

function impurity(specifier: string, typeOnly: boolean, names: readonly string[] | undefined): string | undefined {
  if (typeOnly || /^node:assert(\/strict)?$/.test(specifier)) return undefined;
  if (specifier !== 'node:crypto') return 'a pure room uses of Node only node:assert and node:crypto';
  const others = names?.filter((name) => !repeatableCrypto.includes(name)) ?? ['the whole module'];
  return others.length === 0 ? undefined : `of node:crypto a pure room may not use ${others.join(', ')}`;
}
