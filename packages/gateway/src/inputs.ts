/**
 * How the gateway opens the files that its configuration names.
 *
 * A file that the service user may not read was opened by root before it stepped down, and comes as a descriptor
 * (`privileges.ts`): its text is kept, since later readers of the same path need it too.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import type { ReadInput } from '@culvert/config';
import { type Account, notReadableBy } from './privileges.ts';

/** What root hands to the service: descriptors, by what they are. */
export interface Inherited {
  /** /dev/net/tun. */
  readonly tun: number | undefined;
  /** Path → descriptor. */
  readonly files: Readonly<Record<string, number>>;
}

/** More is no certificate, key or list that this gateway could use. */
const maxBytes = 16 * 1024 * 1024;

type Input = ReturnType<ReadInput>;

/**
 * Reads a path; where that is not allowed, what was inherited for it, and `onInherited` is told. Closes the descriptors at once.
 */
export function inputReader(
  inherited: Inherited | undefined,
  { open = readPath, onInherited }: { readonly open?: ReadInput; readonly onInherited?: (path: string) => void } = {},
): ReadInput {
  const kept = new Map(Object.entries(inherited?.files ?? {}).map(([path, fd]) => [path, takeInherited(fd)]));
  return (path) => {
    try {
      return open(path);
    } catch (error) {
      const input = (error as NodeJS.ErrnoException).code === 'EACCES' ? kept.get(path) : undefined;
      if (input === undefined) throw error;
      onInherited?.(path);
      return input;
    }
  };
}

/** Reads as root and tells which files `account`, whom the service runs as, could not read. */
export function serviceReader(account: Account): ReadInput {
  const read = inputReader(undefined);
  return (path) => {
    const input = read(path);
    return notReadableBy(account, [path]).length === 0 ? input : { ...input, closedTo: account.name };
  };
}

function readPath(path: string): Input {
  const fd = openSync(path, 'r');
  try {
    const { mode, size } = fstatSync(fd);
    if (size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    return { text: readFileSync(fd, 'utf8'), mode };
  } finally {
    closeSync(fd);
  }
}

/** Reads from the start, wherever an earlier reader of the same open file stopped. */
function takeInherited(fd: number): Input {
  try {
    const { mode, size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, maxBytes));
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    return { text: bytes.toString('utf8', 0, length), mode };
  } finally {
    closeSync(fd);
  }
}
