/** User name, password and passphrase: from options, files, the profile or the terminal. */
import { readFile } from 'node:fs/promises';
import type { OpenvpnProfile } from '@culvert/config';
import { ask, askSecret } from '@culvert/terminal';
import { ClientError } from './errors.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface CredentialOptions {
  readonly username?: string | undefined;
  /** One line: the password. Two: user name and password, as openvpn's auth-user-pass has it. */
  readonly passwordFile?: string | undefined;
  /** To the profile's static challenge. */
  readonly response?: string | undefined;
}

/** OpenVPN's limit for either (USER_PASS_LEN less the NUL). */
const MAX_BYTES = 4_095;
const INSTEAD = 'use --username and --password-file';

/** What the profile needs to sign in, or undefined where a certificate is enough. Asks on the terminal for what is missing. */
export async function findCredentials(
  profile: OpenvpnProfile,
  options: CredentialOptions,
): Promise<Credentials | undefined> {
  const wanted = profile.credentials;
  if (wanted === undefined && options.username === undefined && options.passwordFile === undefined) return undefined;
  const inline = wanted?.kind === 'inline' ? wanted : undefined;
  const path = options.passwordFile ?? (wanted?.kind === 'file' ? wanted.path : undefined);
  const lines = path === undefined ? [] : await readLines(path);
  const [fileUser, filePassword] = lines.length >= 2 ? lines : [undefined, lines[0]];
  const username = options.username ?? fileUser ?? inline?.username ?? (await ask('User name: ', INSTEAD));
  const password = filePassword ?? inline?.password ?? (await askSecret(`Password of ${username}: `, INSTEAD));
  for (const [what, value] of [
    ['user name', username],
    ['password', password],
  ] as const) {
    if (value === '' || Buffer.byteLength(value) > MAX_BYTES) {
      throw new ClientError('CULVERT_CLIENT_CREDENTIALS', `the ${what} is empty or has more than ${MAX_BYTES} bytes`);
    }
  }
  const challenge = profile.staticChallenge;
  if (challenge === undefined) return { username, password };
  const askFor = challenge.echo ? ask : askSecret;
  const response = options.response ?? (await askFor(`${challenge.text} `, 'use --response'));
  return { username, password: `SCRV1:${base64(password)}:${base64(response)}` };
}

/** How a client sends password and response together (openvpn's doc/management-notes.txt, "SCRV1"). */
function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The passphrase of an encrypted private key. */
export async function findPassphrase(profile: OpenvpnProfile): Promise<string> {
  if (profile.passphraseFile === undefined) {
    return askSecret('Passphrase of the private key: ', 'name a file with it in the profile (askpass)');
  }
  const [passphrase = ''] = await readLines(profile.passphraseFile);
  return passphrase;
}

async function readLines(path: string): Promise<string[]> {
  try {
    const text = await readFile(path, 'utf8');
    return text
      .split(/\r?\n/)
      .slice(0, 2)
      .filter((line, i) => i === 0 || line !== '');
  } catch (cause) {
    throw new ClientError('CULVERT_CLIENT_CREDENTIALS', `${path} cannot be read`, { cause });
  }
}
