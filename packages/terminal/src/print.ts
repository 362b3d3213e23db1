/** Tables and colours, only where a terminal reads them; JSON for scripts. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** `text` in a style when stdout is a terminal (NO_COLOR and FORCE_COLOR are respected), as it is otherwise. */
export function colour(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout, validateStream: true });
}

/**
 * `text` without what a terminal would obey or turn around: control characters of both sets, and marks of writing direction. Each
 * becomes its escape, so that it can still be read. Tables and log lines show what strangers sent.
 */
export function harmless(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Prints rows under headings, columns aligned. Without a terminal: tab-separated, no headings, for `cut` and `awk`. */
export function printTable(headings: readonly string[], cells: readonly (readonly string[])[]): void {
  const rows = cells.map((row) => row.map(harmless));
  if (!process.stdout.isTTY) {
    for (const row of rows) process.stdout.write(`${row.join('\t')}\n`);
    return;
  }
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  process.stdout.write(`${colour('bold', line(headings))}\n`);
  for (const row of rows) process.stdout.write(`${line(row)}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
