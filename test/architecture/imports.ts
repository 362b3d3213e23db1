/** Reads the imports of the packages' sources. */
import { globSync, readFileSync } from 'node:fs';

export interface Import {
  /** From the project's root. */
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** Nothing of it is there at run time. */
  readonly typeOnly: boolean;
  /** The names in braces, `type` ones left out; undefined for a whole module. */
  readonly names: readonly string[] | undefined;
}

/** `import … from "x"`, `export … from "x"`, `import "x"`, `import("x")`, and `typeof import("x")`, at their usual places. */
const statement =
  /^(?:import|export)(?<type> type)? (?<what>[^'"`;]*?) from '(?<from>[^']+)'|^import '(?<bare>[^']+)'|\bimport\(\s*['"`](?<call>[^'"`]+)|\brequire\(\s*['"`](?<required>[^'"`]+)/gm;

export function importsOf(root: string, pattern: string): Import[] {
  return globSync(pattern, { cwd: root }).flatMap((file) => importsIn(file, readFileSync(`${root}/${file}`, 'utf8')));
}

export function importsIn(file: string, text: string): Import[] {
  return [...text.matchAll(statement)].map((match) => {
    const { type, what = '', from, bare, call, required } = match.groups ?? {};
    const names = /^\{/.test(what.trim()) ? what.replace(/[{}]/g, '').split(',') : undefined;
    const values = names?.map((name) => name.trim()).filter((name) => name !== '' && !name.startsWith('type '));
    return {
      file,
      line: text.slice(0, match.index).split('\n').length,
      specifier: from ?? bare ?? call ?? required ?? '',
      typeOnly: type !== undefined || (values !== undefined && values.length === 0),
      names: values?.map((name) => name.split(' as ')[0] ?? name),
    };
  });
}
