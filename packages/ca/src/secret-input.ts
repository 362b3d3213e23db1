/** Passphrases from where operators keep them: a file, the environment, a systemd credential, or the keyboard. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { askSecret, UsageError } from '@culvert/terminal';

/** The name under which systemd hands the passphrase in (`LoadCredentialEncrypted=culvert-ca-passphrase`). */
const CREDENTIAL = 'culvert-ca-passphrase';
const VARIABLE = 'CULVERT_CA_PASSPHRASE';

interface Source {
  /** A file named on the command line; `-` is standard input. */
  readonly file: string | undefined;
  /** Asked on the terminal when nothing else has it. */
  readonly question: string;
  /** It is a new one: asked for again. */
  readonly twice: boolean;
}

/** The passphrase of the CA key, from the first of: the file, CULVERT_CA_PASSPHRASE, the systemd credential, the terminal. */
export async function readPassphrase(source: Source): Promise<string> {
  const credential = join(process.env['CREDENTIALS_DIRECTORY'] ?? '', CREDENTIAL);
  if (source.file === undefined && process.env[VARIABLE] !== undefined) return process.env[VARIABLE];
  if (source.file === undefined && isAbsolute(credential) && existsSync(credential)) return fromFile(credential);
  return readSecret(source, `use --passphrase-file or ${VARIABLE}`);
}

/** A secret from its file, or the terminal; where there is neither, `instead` tells what to use. */
export async function readSecret(source: Source, instead: string): Promise<string> {
  if (source.file !== undefined) return fromFile(source.file);
  const answer = await askSecret(source.question, instead);
  if (source.twice && (await askSecret('Once more: ', instead)) !== answer) throw new UsageError('the two differ');
  return answer;
}

/** The first line of a file, which nobody else should be able to read. */
function fromFile(path: string): string {
  const text = readFileSync(path === '-' ? 0 : path, 'utf8');
  if (path !== '-' && (statSync(path).mode & 0o007) !== 0)
    process.stderr.write(`warning: everybody on this machine can read ${path}\n`);
  return text.replace(/\r?\n[\s\S]*$/, '');
}
