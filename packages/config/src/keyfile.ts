/** Keyfiles as GLib's GKeyFile reads and writes them (Desktop Entry Specification, "Basic format of the file"), which NetworkManager keeps connections in. */
import type { Problem } from './problem.ts';

export interface Keyfile {
  /** By group; a group or key that is there twice counts once, the last key winning. */
  readonly groups: ReadonlyMap<string, ReadonlyMap<string, KeyfileValue>>;
  readonly problems: readonly Problem[];
}

export interface KeyfileValue {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** Connections have some 2 KiB. */
const MAX_TEXT_BYTES = 1 << 16;

const escapes: Readonly<Record<string, string>> = { s: ' ', n: '\n', t: '\t', r: '\r', '\\': '\\' };

/** Never throws for what the text holds. */
export function parseKeyfile(text: string, file: string): Keyfile {
  const groups = new Map<string, Map<string, KeyfileValue>>();
  const problems: Problem[] = [];
  const report = (line: number, found: string, expected: string): void => {
    problems.push({ file, line, key: '', found, expected, severity: 'error' });
  };
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    report(1, `${text.length} characters`, 'at most 64 KiB');
    return { groups, problems };
  }
  let group: Map<string, KeyfileValue> | undefined;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const [, header] = /^\[([^[\]]+)\]\s*$/.exec(line) ?? [];
    const [, key, value] = /^([^=[\]]+?)\s*=\s*(.*)$/.exec(line) ?? [];
    if (header !== undefined) {
      group = groups.get(header) ?? new Map<string, KeyfileValue>();
      groups.set(header, group);
    } else if (key === undefined) {
      report(index + 1, JSON.stringify(line.slice(0, 40)), '[group] or key=value');
    } else if (group === undefined) {
      // The value may be a secret.
      report(index + 1, JSON.stringify(key), 'a [group] first');
    } else {
      const unescaped = (value ?? '').replace(/\\(.)/g, (all, letter: string) => escapes[letter] ?? all);
      group.set(key, { text: unescaped, line: index + 1 });
    }
  }
  return { groups, problems };
}

/** Groups and keys in the order given; keys without a value are left out. */
export function printKeyfile(groups: Readonly<Record<string, Readonly<Record<string, string | undefined>>>>): string {
  const blocks = Object.entries(groups).map(([name, keys]) => {
    const lines = Object.entries(keys).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${escaped(value)}\n`],
    );
    return `[${name}]\n${lines.join('')}`;
  });
  return blocks.join('\n');
}

/** Spaces at either end, and what ends a line, would be lost. */
function escaped(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replace(/^ | $/g, '\\s');
}
