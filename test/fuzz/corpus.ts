/** The corpus: visits worth repeating, a file each. A crash becomes one. */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Visit } from './visit.ts';

const folder = join(import.meta.dirname, 'corpus');

export function readCorpus(): { readonly name: string; readonly visit: Visit }[] {
  return globSync(`${folder}/*.json`)
    .sort()
    .map((file) => ({ name: basename(file, '.json'), visit: readVisit(file) }));
}

export function readVisit(file: string): Visit {
  return JSON.parse(readFileSync(file, 'utf8')) as Visit;
}

/** @returns the file's path. */
export function keepVisit(name: string, visit: Visit): string {
  const file = join(folder, `${name}.json`);
  const { cases, ...head } = visit;
  const lines = cases.map((one) => `    ${JSON.stringify(one)}`).join(',\n');
  writeFileSync(file, `${JSON.stringify(head, undefined, 2).slice(0, -2)},\n  "cases": [\n${lines}\n  ]\n}\n`);
  return file;
}
