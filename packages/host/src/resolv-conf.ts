/**
 * Replaces resolv.conf and puts it back: a file, a symbolic link or nothing, as it was.
 *
 * A rename makes the change whole at once. Where the file is a mount point (containers, `ip netns exec`) renaming fails and it
 * is written in place.
 */
import { lstat, open, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Logger } from '@culvert/base';
import { HostError } from './errors.ts';

export interface ResolvConfBefore {
  /** What the path was. */
  readonly was: 'file' | 'link' | 'nothing';
  /** A link's target; else empty. */
  readonly target: string;
  /** The content that it had, or led to. */
  readonly text: string;
  readonly mode: number;
}

/** How the first line of a file of ours begins. */
const OURS = '# Written by culvert for ';

/** The line by which the file that stands for `device` is known. */
export function markOf(device: string): string {
  return `${OURS}${device}; the file as it was comes back when the tunnel goes down.`;
}

/**
 * What is at `path`. From a file of ours, also one that a power cut left behind or that another tunnel wrote, it tells what was
 * there before: each carries that in comments (`#was`), so in whatever order tunnels end, the last one brings the original back.
 */
export async function readResolvConf(path: string): Promise<ResolvConfBefore> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined) return { was: 'nothing', target: '', text: '', mode: 0o644 };
  const text = await readFile(path, 'utf8').catch(() => '');
  if (stat.isSymbolicLink()) return { was: 'link', target: await readlink(path), text, mode: 0o644 };
  const mode = stat.mode & 0o777;
  return text.startsWith(OURS) ? readOriginal(text, dirname(path), mode) : { was: 'file', target: '', text, mode };
}

/** The comments that keep `before` in our file; `readOriginal` reads them. */
export function keepOriginal(before: ResolvConfBefore): string[] {
  if (before.was === 'nothing') return ['#was-nothing'];
  if (before.was === 'link') return [`#was-link ${before.target}`];
  return before.text.split('\n').map((line) => `#was ${line}`);
}

async function readOriginal(text: string, directory: string, mode: number): Promise<ResolvConfBefore> {
  const lines = text.split('\n');
  const target = lines.find((line) => line.startsWith('#was-link '))?.slice('#was-link '.length);
  if (target !== undefined) {
    const behind = await readFile(resolve(directory, target), 'utf8').catch(() => '');
    return { was: 'link', target, text: behind, mode };
  }
  const kept = lines.filter((line) => line.startsWith('#was ')).map((line) => line.slice('#was '.length));
  return { was: kept.length === 0 ? 'nothing' : 'file', target: '', text: kept.join('\n'), mode };
}

/** Puts `text` at `path`; a link there is replaced, not followed. Throws HostError. */
export async function replaceResolvConf(path: string, text: string, mode = 0o644): Promise<void> {
  try {
    await renameOver(path, async (temporary) => {
      const file = await open(temporary, 'wx', mode);
      try {
        await file.chmod(mode); // The umask has no say.
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
    });
  } catch (error) {
    if (!isMountPoint(error)) throw resolvConfError(path, error);
    await writeFile(path, text).catch((cause) => {
      throw resolvConfError(path, cause);
    });
  }
}

/** Puts back what was there, if the present file still carries our `mark`. Returns what went wrong, if anything. */
export async function restoreResolvConf(
  path: string,
  mark: string,
  before: ResolvConfBefore,
  log: Logger,
): Promise<string | undefined> {
  const present = await readFile(path, 'utf8').catch(() => '');
  if (!present.includes(mark)) {
    if (present !== before.text) log.debug('another program wrote resolv.conf meanwhile: it stays', { path });
    return undefined;
  }
  try {
    if (before.was === 'nothing') await rm(path, { force: true });
    else if (before.was === 'link') await restoreLink(path, before);
    else await replaceResolvConf(path, before.text, before.mode);
    return undefined;
  } catch (error) {
    return `${path}: ${(error as Error).message}`;
  }
}

/** Where the link's directory could not be written, our text went through the link, which still stands. */
async function restoreLink(path: string, { target, text }: ResolvConfBefore): Promise<void> {
  if ((await readlink(path).catch(() => '')) === target) await writeFile(path, text);
  else await renameOver(path, (temporary) => symlink(target, temporary));
}

async function renameOver(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.culvert-${process.pid}`;
  await rm(temporary, { force: true });
  try {
    await make(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // The first error is the one to tell.
    throw error;
  }
}

/** EBUSY: a mount point. EXDEV: a mount of one file. EROFS, EACCES: its directory is not ours to write, the file may be. */
function isMountPoint(error: unknown): boolean {
  return ['EBUSY', 'EXDEV', 'EROFS', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function resolvConfError(path: string, cause: unknown): HostError {
  return new HostError('CULVERT_HOST_COMMAND', `write ${path}`, { cause });
}
