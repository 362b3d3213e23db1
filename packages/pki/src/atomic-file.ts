/** Files that are either the old ones or the new ones, whatever happens. */

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Writes a file beside its place, flushes it, moves it there and flushes the directory. A reader sees the old content or the new;
 * after return the new one survives a power cut. Throws the system's error, with the old file as it was.
 *
 * @param mode of the new file, whatever the umask is
 * @param group id of the group that the new file belongs to; without it the system's choice
 */
export function writeFileAtomically(path: string, content: string | Uint8Array, mode: number, group?: number): void {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.new`);
  try {
    writeDurably(beside, content, mode, group);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/** The same, unless the file has this content already. */
export function refreshFile(path: string, content: string, mode: number): void {
  try {
    if (readFileSync(path, 'utf8') === content) return;
  } catch {
    // Missing or unreadable: written anew below, where a real failure shows.
  }
  writeFileAtomically(path, content, mode);
}

export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes `path` and what is missing above it, readable for its owner alone, so that it survives a power cut. */
export function makeDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first !== undefined) syncDirectory(dirname(first));
}

function writeDurably(path: string, content: string | Uint8Array, mode: number, group: number | undefined): void {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  const fd = openSync(path, 'wx', mode);
  try {
    if (group !== undefined) fchownSync(fd, -1, group);
    fchmodSync(fd, mode);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
