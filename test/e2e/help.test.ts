/** What the programs tell of themselves. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = ['gateway/bin/culvertd', 'client/bin/culvert', 'ca/bin/culvert-ca'];
/** Runs until it is stopped; its log is JSON by configuration. */
const withoutJson = ['culvertd run'];

async function help(program: string, ...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(`${root}packages/${program}`, [...words, '--help']);
  return stdout;
}

for (const program of programs) {
  const name = program.split('/').at(-1) ?? '';
  test(`every command of ${name} shows examples and has --json; exit codes are told`, async () => {
    const open: string[][] = [[]];
    for (let words = open.pop(); words !== undefined; words = open.pop()) {
      const text = await help(program, ...words);
      const command = [name, ...words].join(' ');
      assert.match(text, /^Examples:$/m, `${command} --help has examples`);
      const listed = text.split('\nOptions:')[0]?.split('\nCommands:')[1] ?? '';
      const commands = [...listed.matchAll(new RegExp(`^  ${command} ([a-z0-9-]+)`, 'gm'))].map(
        ([, word = '']) => word,
      );
      open.push(...commands.map((word) => [...words, word]));
      if (commands.length === 0 && !withoutJson.includes(command))
        assert.match(text, /--json/, `${command} has --json`);
      if (words.length === 0) assert.match(text, /Exit codes: 0 done/);
    }
  });
}
