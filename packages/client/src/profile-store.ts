/**
 * Profiles on the disk: import, list, load, remove.
 *
 * A stored profile holds its certificates and keys inline, so that it keeps working when the files that it came with are gone.
 * Files with passwords are not copied: their paths are kept.
 */
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  formatProblem,
  type OpenvpnProfile,
  type ParsedProfile,
  type ProfileFile,
  parseOpenvpnProfile,
  printOpenvpnProfile,
} from '@culvert/config';
import { ClientError } from './errors.ts';

/** Nothing that a profile names is larger. */
const MAX_FILE_BYTES = 1 << 20;
const SUFFIX = '.ovpn';

export interface LoadedProfile {
  readonly name: string;
  readonly file: string;
  readonly profile: OpenvpnProfile;
  /** Sentences about what is left out. */
  readonly warnings: readonly string[];
}

/** Profile names are file names, also of sockets, whose paths are short. */
export function checkName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$/.test(name)) return name;
  throw new ClientError(
    'CULVERT_CLIENT_PROFILE',
    `${JSON.stringify(name)} is no name: letters, digits, "_", ".", "-", at most 40`,
  );
}

/** The name that goes with what a command was given: a profile's name or its file. */
export function profileNameOf(given: string): string {
  return checkName(nameOf(given));
}

/** Reads a profile with everything that it names inline. Throws ClientError CULVERT_CLIENT_PROFILE with every mistake. */
export async function readProfile(file: string, name = nameOf(file)): Promise<LoadedProfile> {
  const parsed = parseOpenvpnProfile(await readText(file), { file });
  failOnErrors(parsed);
  const profile = await inline(parsed.profile, dirname(resolve(file)));
  return { name: checkName(name), file, profile, warnings: parsed.problems.map(formatProblem) };
}

/** Loads a stored profile by name; what has a slash or ends in `.ovpn` is a file. */
export async function loadProfile(directory: string, name: string): Promise<LoadedProfile> {
  if (name.includes('/') || name.endsWith(SUFFIX)) return readProfile(name);
  const file = join(directory, `${checkName(name)}${SUFFIX}`);
  if (!(await exists(file))) {
    const known = (await listProfiles(directory)).join(', ') || 'none; see culvert import';
    throw new ClientError('CULVERT_CLIENT_NO_PROFILE', `${name} (in ${directory}: ${known})`);
  }
  return readProfile(file, name);
}

/** Stores a profile, readable by its owner alone. Returns its path. Throws CULVERT_CLIENT_PROFILE_EXISTS unless `replace`. */
export async function storeProfile(directory: string, loaded: LoadedProfile, replace: boolean): Promise<string> {
  const file = join(directory, `${loaded.name}${SUFFIX}`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (!replace && (await exists(file)))
    throw new ClientError('CULVERT_CLIENT_PROFILE_EXISTS', `${file} (--force replaces it)`);
  const temporary = `${file}.${process.pid}`;
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(printOpenvpnProfile(loaded.profile));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(temporary, 0o600);
  await rename(temporary, file);
  return file;
}

/** Names of the stored profiles, sorted. */
export async function listProfiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory).catch(() => []);
  return entries
    .filter((entry) => entry.endsWith(SUFFIX))
    .map(nameOf)
    .sort();
}

export async function removeProfile(directory: string, name: string): Promise<void> {
  try {
    await rm(join(directory, `${checkName(name)}${SUFFIX}`));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new ClientError('CULVERT_CLIENT_NO_PROFILE', name);
  }
}

function failOnErrors(parsed: ParsedProfile): void {
  const errors = parsed.problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0)
    throw new ClientError('CULVERT_CLIENT_PROFILE', `\n  ${errors.map(formatProblem).join('\n  ')}`);
}

async function inline(profile: OpenvpnProfile, directory: string): Promise<OpenvpnProfile> {
  const text = (file: ProfileFile | undefined) => inlineFile(file, directory);
  const { wrap, credentials, passphraseFile } = profile;
  return {
    ...profile,
    ca: await text(profile.ca),
    certificate: await text(profile.certificate),
    privateKey: await text(profile.privateKey),
    extraCertificates: await text(profile.extraCertificates),
    crl: await text(profile.crl),
    pkcs12: await inlineFile(profile.pkcs12, directory, 'base64'),
    wrap: wrap.kind === 'none' ? wrap : { ...wrap, key: (await text(wrap.key)) ?? wrap.key },
    passphraseFile: passphraseFile === undefined ? undefined : resolve(directory, passphraseFile),
    credentials:
      credentials?.kind === 'file' ? { kind: 'file', path: resolve(directory, credentials.path) } : credentials,
  };
}

async function inlineFile(
  file: ProfileFile | undefined,
  directory: string,
  encoding: 'utf8' | 'base64' = 'utf8',
): Promise<ProfileFile | undefined> {
  if (file?.kind !== 'file') return file;
  const text = await readText(resolve(directory, file.path), encoding);
  return { kind: 'inline', text: text.endsWith('\n') ? text : `${text}\n` };
}

async function readText(path: string, encoding: 'utf8' | 'base64' = 'utf8'): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`${path} has ${size} bytes`);
    return await readFile(path, encoding);
  } catch (cause) {
    throw new ClientError('CULVERT_CLIENT_PROFILE', `${path} cannot be read`, { cause });
  }
}

function nameOf(file: string): string {
  return basename(file).replace(/\.(?:ovpn|conf)$/, '');
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
