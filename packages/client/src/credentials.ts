/** User name, password and passphrase: from options, files, the profile or the terminal. */
import { readFile } from 'node:fs/promises';
import { ask, askSecret } from '@culvert/terminal';
import { ClientError } from './errors.ts';
import type { Credentials, SecretNeeds, Secrets } from './profile.ts';

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

/** What a profile needs, from wherever it is. Asks on the terminal for what is missing. */
export async function findSecrets(needs: SecretNeeds, options: CredentialOptions): Promise<Secrets> {
  return {
    credentials: await findCredentials(needs, options),
    passphrase: needs.passphrase && (await findPassphrase(needs.passphrase.file)),
    presharedKey: needs.presharedKey ? await askSecret('Shared secret: ', 'put it into the profile') : undefined,
  };
}

/** Undefined where a certificate is enough. */
async function findCredentials(needs: SecretNeeds, options: CredentialOptions): Promise<Credentials | undefined> {
  const { credentials: wanted, challenge } = needs;
  if (wanted === undefined && options.username === undefined && options.passwordFile === undefined) return undefined;
  const path = options.passwordFile ?? wanted?.file;
  const lines = path === undefined ? [] : await readLines(path);
  const [fileUser, filePassword] = lines.length >= 2 ? lines : [undefined, lines[0]];
  const username = options.username ?? fileUser ?? wanted?.username ?? (await ask('User name: ', INSTEAD));
  const password = filePassword ?? wanted?.password ?? (await askSecret(`Password of ${username}: `, INSTEAD));
  for (const [what, value] of [
    ['user name', username],
    ['password', password],
  ] as const) {
    if (value === '' || Buffer.byteLength(value) > MAX_BYTES) {
      throw new ClientError('CULVERT_CLIENT_CREDENTIALS', `the ${what} is empty or has more than ${MAX_BYTES} bytes`);
    }
  }
  if (challenge === undefined) return { username, password };
  const askFor = challenge.echo ? ask : askSecret;
  const response = options.response ?? (await askFor(`${challenge.text} `, 'use --response'));
  return { username, password: `SCRV1:${base64(password)}:${base64(response)}` };
}

/** How a client sends password and response together (openvpn's doc/management-notes.txt, "SCRV1"). */
function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

async function findPassphrase(file: string | undefined): Promise<string> {
  if (file === undefined) {
    return askSecret('Passphrase of the private key: ', 'name a file with it in the profile (askpass)');
  }
  const [passphrase = ''] = await readLines(file);
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
