/** What a check of the meaning found, before it is given its line. */
import type { KeyPath } from './yaml-source.ts';

export interface Finding {
  readonly path: KeyPath;
  readonly found: string;
  readonly expected: string;
  readonly severity: 'error' | 'warning';
}

export function mistake(path: KeyPath, found: string, expected: string): Finding {
  return { path, found, expected, severity: 'error' };
}

export function doubt(path: KeyPath, found: string, expected: string): Finding {
  return { path, found, expected, severity: 'warning' };
}
