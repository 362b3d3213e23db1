/** Tables and colours, only where a terminal reads them; JSON for scripts. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** `text` in a style when stdout is a terminal (NO_COLOR and FORCE_COLOR are respected), as it is otherwise. */
export function colour(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout, validateStream: true });
}

/** Prints rows under headings, columns aligned. Without a terminal: tab-separated, no headings, for `cut` and `awk`. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
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
