/** Kernel settings under /proc/sys/net. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { Kind, SysctlChange } from './change.ts';
import { HostError } from './errors.ts';

interface SysctlBefore {
  readonly value: string;
  /** For a setting that the kernel copies to every device: where a device's own value was another. */
  readonly exceptions: Readonly<Record<string, string>>;
}

/** Writing these sets the value of each device as well (the pattern's hole is the device). */
const copied: Readonly<Record<string, readonly [directory: string, leaf: string]>> = {
  'net/ipv4/ip_forward': ['net/ipv4/conf', 'forwarding'],
  'net/ipv6/conf/all/forwarding': ['net/ipv6/conf', 'forwarding'],
};

export const sysctlKind: Kind<SysctlChange, SysctlBefore> = {
  check(change) {
    if (!/^net(?:\/[A-Za-z0-9_.@-]+)+$/.test(change.key) || change.key.split('/').some((part) => /^\.+$/.test(part))) {
      throw new TypeError(`not a setting of the network: ${JSON.stringify(change.key)}`);
    }
  },
  async before(changes) {
    return Promise.all(changes.map(beforeOf));
  },
  async make(steps) {
    for (const { change } of steps) await writeSetting(change.key, change.value);
  },
  async undo(steps) {
    const problems: (string | undefined)[] = [];
    for (const { change, before } of steps) problems.push(await restore(change.key, before));
    return problems;
  },
};

async function beforeOf(change: SysctlChange): Promise<SysctlBefore | undefined> {
  const value = await readSetting(change.key);
  if (value === change.value) return undefined;
  const exceptions: Record<string, string> = {};
  const pattern = copied[change.key];
  if (pattern === undefined) return { value, exceptions };
  const [directory, leaf] = pattern;
  for (const device of await readdir(`/proc/sys/${directory}`)) {
    const key = `${directory}/${device}/${leaf}`;
    const own = await readSetting(key).catch(() => value); // A device that goes away meanwhile needs nothing.
    if (own !== value && device !== 'all') exceptions[key] = own;
  }
  return { value, exceptions };
}

async function restore(key: string, before: SysctlBefore): Promise<string | undefined> {
  const values = { [key]: before.value, ...before.exceptions };
  for (const [each, value] of Object.entries(values)) {
    try {
      await writeFile(`/proc/sys/${each}`, value);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return `${each}: ${(error as Error).message}`;
    }
  }
  return undefined;
}

async function readSetting(key: string): Promise<string> {
  try {
    return (await readFile(`/proc/sys/${key}`, 'utf8')).trim().replaceAll('\t', ' ');
  } catch (cause) {
    throw new HostError('CULVERT_HOST_COMMAND', `read the kernel setting ${key}`, { cause });
  }
}

async function writeSetting(key: string, value: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/${key}`, value);
  } catch (cause) {
    const denied = ['EACCES', 'EPERM', 'EROFS'].includes((cause as NodeJS.ErrnoException).code ?? '');
    const code = denied ? 'CULVERT_HOST_PERMISSION' : 'CULVERT_HOST_COMMAND';
    throw new HostError(code, `set the kernel setting ${key} to ${value}`, { cause });
  }
}
