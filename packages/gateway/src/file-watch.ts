/** Tells that a file was replaced or rewritten, by looking at it: this works on every file system, also through links. */
import { stat } from 'node:fs/promises';
import type { Millis } from '@culvert/base';

/** A revocation takes effect on live links within a second: this, and the time to read and act. */
const pollMillis: Millis = 400;

export interface FileWatch {
  close(): void;
}

/**
 * Calls `onChange` after the file at `path` has become another one, also when it comes back; `onReady` once it was looked at first.
 * Keeps the process alive until closed.
 */
export function watchFile(path: string, onChange: () => void, onReady?: () => void): FileWatch {
  let seen: string | undefined;
  let busy = false;
  const look = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    const found = await fingerprint(path);
    busy = false;
    const changed = seen !== undefined && found !== '' && found !== seen;
    if (found !== '' || seen === undefined) seen = found;
    if (changed) onChange();
  };
  void look().then(onReady);
  const timer = setInterval(look, pollMillis);
  return { close: () => clearInterval(timer) };
}

async function fingerprint(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return '';
  }
}
