/**
 * Profiles on the disk: import, list, load, remove.
 *
 * A stored profile holds its certificates and keys inline, so that it keeps working when the files that it came with are gone.
 * Files with passwords are not copied: their paths are kept.
 */
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { formatProblem } from '@culvert/config';
import { askSecret } from '@culvert/terminal';
import { ClientError } from './errors.ts';
import { kindOf, kinds, storedSuffixes } from './kinds.ts';
import type { ClientProfile, ProfileFiles } from './profile.ts';

/** Nothing that a profile names is larger. */
const MAX_FILE_BYTES = 1 << 20;

export interface LoadedProfile {
  readonly name: string;
  readonly file: string;
  readonly profile: ClientProfile;
  /** Sentences about what is left out. */
  readonly warnings: readonly string[];
}

/** Profile names are file names, also of sockets, whose paths are short. */
export function checkName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$/.test(name)) return name;
  throw new ClientError(
    'CULVERT_CLIENT_PROFILE',
    `${JSON.stringify(name)} is no name: letters, digits, "_", ".", "-", at most 40; import --name gives another`,
  );
}

/** The name that goes with what a command was given: a profile's name or its file. */
export function profileNameOf(given: string): string {
  return checkName(nameOf(given));
}

/**
 * Reads a profile with everything that it names inline. Throws ClientError CULVERT_CLIENT_PROFILE with every mistake.
 *
 * @param secretFile has what opens the files that it names, in its first line; else it is asked for where it is needed
 */
export async function readProfile(file: string, name = nameOf(file), secretFile?: string): Promise<LoadedProfile> {
  const text = (await readBytes(file)).toString();
  const { profile, problems } = kindOf(text, file).parse(text, { file });
  if (profile === undefined) {
    const errors = problems.filter(({ severity }) => severity === 'error').map(formatProblem);
    throw new ClientError('CULVERT_CLIENT_PROFILE', `\n  ${errors.join('\n  ')}`);
  }
  const inlined = await profile.inline(filesOf(dirname(resolve(file)), secretFile));
  return { name: checkName(name), file, profile: inlined, warnings: problems.map(formatProblem) };
}

/** Loads a stored profile by name; what has a slash or ends as files of profiles do is a file. */
export async function loadProfile(directory: string, name: string): Promise<LoadedProfile> {
  if (name.includes('/') || name !== nameOf(name)) return readProfile(name);
  const file = await findStored(directory, name);
  if (file === undefined) {
    const known = (await listProfiles(directory)).join(', ') || 'none; see culvert import';
    throw new ClientError('CULVERT_CLIENT_NO_PROFILE', `${name} (in ${directory}: ${known})`);
  }
  return readProfile(file, name);
}

/** Stores a profile, readable by its owner alone. Returns its path. Throws CULVERT_CLIENT_PROFILE_EXISTS unless `replace`. */
export async function storeProfile(directory: string, loaded: LoadedProfile, replace: boolean): Promise<string> {
  const { suffix } = kinds[loaded.profile.kind];
  const file = join(directory, `${loaded.name}${suffix}`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const present = await findStored(directory, loaded.name);
  if (!replace && present !== undefined)
    throw new ClientError('CULVERT_CLIENT_PROFILE_EXISTS', `${present} (--force replaces it)`);
  const temporary = `${file}.${process.pid}`;
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(loaded.profile.print());
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(temporary, 0o600);
  await rename(temporary, file);
  // A profile of another kind.
  if (present !== undefined && present !== file) await rm(present);
  return file;
}

/** Names of the stored profiles, sorted. */
export async function listProfiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory).catch(() => []);
  return entries
    .filter((entry) => storedSuffixes.some((suffix) => entry.endsWith(suffix)))
    .map(nameOf)
    .sort();
}

export async function removeProfile(directory: string, name: string): Promise<void> {
  const file = await findStored(directory, name);
  if (file === undefined) throw new ClientError('CULVERT_CLIENT_NO_PROFILE', name);
  await rm(file);
}

/** The file of a stored profile, whichever its kind. */
async function findStored(directory: string, name: string): Promise<string | undefined> {
  for (const suffix of storedSuffixes) {
    const file = join(directory, `${checkName(name)}${suffix}`);
    if (await exists(file)) return file;
  }
  return undefined;
}

/** What a profile names by a relative path is beside it. */
function filesOf(directory: string, secretFile: string | undefined): ProfileFiles {
  const absolute = (path: string): string => resolve(directory, path);
  return {
    absolute,
    text: async (path) => (await readBytes(absolute(path))).toString(),
    bytes: (path) => readBytes(absolute(path)),
    secret: async (question) => {
      if (secretFile === undefined) return askSecret(question, 'use culvert import --passphrase-file');
      return /^.*/.exec((await readBytes(secretFile)).toString())?.[0] ?? '';
    },
  };
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`${path} has ${size} bytes`);
    return await readFile(path);
  } catch (cause) {
    throw new ClientError('CULVERT_CLIENT_PROFILE', `${path} cannot be read`, { cause });
  }
}

function nameOf(file: string): string {
  return basename(file).replace(/\.(?:ovpn|conf|nmconnection|mobileconfig)$/, '');
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
