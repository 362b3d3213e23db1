/** Turns what the schema found into problems for people: one a key, with the line, and the key that was probably meant. */
import type { z } from 'zod';
import type { Problem } from './problem.ts';
import type { KeyPath, YamlSource } from './yaml-source.ts';

type Issue = z.core.$ZodIssue;

/** Problems in the order of the file's lines. `keysAt` names the keys that a section may have. */
export function explainIssues(
  issues: readonly Issue[],
  context: {
    readonly file: string;
    readonly source: YamlSource;
    readonly keysAt: (path: KeyPath) => readonly string[];
  },
): Problem[] {
  const found = new Map<string, Problem>();
  for (const issue of issues.flatMap((each) => flatten(each, context.source.value))) {
    for (const problem of problemsOf(issue, context)) {
      if (!found.has(problem.key)) found.set(problem.key, problem);
    }
  }
  return [...found.values()].sort((a, b) => a.line - b.line);
}

/** `transports.openvpn.listen[0].port`. */
export function formatKey(path: KeyPath): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

/** How a found value is shown: short, quoted where it is text. */
export function formatFound(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a section';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}..."` : text;
}

export function valueAt(root: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], root);
}

/** Of a union that failed, the alternative whose type the writer chose; else the union as a whole. */
function flatten(issue: Issue, root: unknown): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const value = valueAt(root, issue.path);
  if (typeof value !== 'object' || value === null) return [issue];
  const fitting = issue.errors.find((branch) => !branch.some((each) => each.path.length === 0 && wrongType(each)));
  if (fitting === undefined) return [issue];
  return fitting.flatMap((each) => flatten({ ...each, path: [...issue.path, ...each.path] } as Issue, root));
}

function wrongType(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function problemsOf(issue: Issue, context: Parameters<typeof explainIssues>[1]): Problem[] {
  const { file, source } = context;
  if (issue.code !== 'unrecognized_keys') {
    const found = formatFound(valueAt(source.value, issue.path));
    const line = source.lineOf(issue.path);
    return [{ file, line, key: formatKey(issue.path), found, expected: expectedOf(issue), severity: 'error' }];
  }
  return issue.keys.map((key) => ({
    file,
    line: source.lineOf([...issue.path, key], true),
    key: formatKey([...issue.path, key]),
    found: 'an unknown key',
    expected: suggestion(key, context.keysAt(issue.path)),
    severity: 'error',
  }));
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a section of keys and values',
  array: 'a list',
};

function expectedOf(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    return typeWords[issue.expected] ?? issue.expected;
  }
  return issue.message;
}

function suggestion(key: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(key.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance)[0];
  if (near !== undefined) return `${near.candidate} (did you mean that?)`;
  return known.length === 0 ? 'no key here' : `one of ${known.join(', ')}`;
}

/** Levenshtein's distance, a swap of neighbours counting as one. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      rows[i]?.push(best);
    }
  }
  return at(a.length, b.length);
}
