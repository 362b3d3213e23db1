/** Passphrases from where operators keep them: a file, the environment, a systemd credential, or the keyboard. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { UsageError } from '@culvert/terminal';

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
  return readSecret(source, `the CA key has a passphrase: use --passphrase-file, ${VARIABLE} or a terminal`);
}

/** A secret from its file, or the terminal; where there is neither, `otherwise` tells what to do. */
export async function readSecret(source: Source, otherwise: string): Promise<string> {
  if (source.file !== undefined) return fromFile(source.file);
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw new UsageError(otherwise);
  const answer = await askSecret(source.question);
  if (source.twice && (await askSecret('Once more: ')) !== answer) throw new UsageError('the two differ');
  return answer;
}

/** The first line of a file, which nobody else should be able to read. */
function fromFile(path: string): string {
  const text = readFileSync(path === '-' ? 0 : path, 'utf8');
  if (path !== '-' && (statSync(path).mode & 0o007) !== 0)
    process.stderr.write(`warning: everybody on this machine can read ${path}\n`);
  return text.replace(/\r?\n[\s\S]*$/, '');
}

/** One line from the terminal, without echo. */
async function askSecret(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stderr.write(question);
  try {
    return await readLine(stdin);
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}

/** Keys up to Enter; those behind it are left for the next question. */
function readLine(keys: NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer: string[] = [];
    const settle = (then: () => void, rest: string) => {
      keys.off('data', take).off('end', end).pause();
      if (rest !== '') keys.unshift(rest);
      then();
    };
    const end = () => settle(() => resolve(answer.join('')), '');
    const take = (chunk: string) => {
      const pressed = [...chunk];
      for (const [i, key] of pressed.entries()) {
        const rest = pressed.slice(i + 1).join('');
        if (key === '\r' || key === '\n' || key === '\u0004') return settle(() => resolve(answer.join('')), rest);
        if (key === '\u0003') return settle(() => reject(new Error('interrupted')), '');
        if (key === '\u007f' || key === '\b') answer.pop();
        else if (key === '\u0015') answer = [];
        else answer.push(key);
      }
    };
    keys.on('data', take).on('end', end).resume();
  });
}
