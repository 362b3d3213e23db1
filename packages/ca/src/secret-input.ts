/** Passphrases from where operators keep them: a file, the environment, a systemd credential, or the keyboard. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode, UsageError } from '@culvert/terminal';

/** The name under which systemd hands the passphrase in (`LoadCredentialEncrypted=culvert-ca-passphrase`). */
const CREDENTIAL = 'culvert-ca-passphrase';
const VARIABLE = 'CULVERT_CA_PASSPHRASE';

/**
 * The passphrase, from the first of: `file` (`-` is standard input), CULVERT_CA_PASSPHRASE, the systemd credential, the terminal.
 *
 * @param question asked on the terminal; `twice` for a new passphrase
 */
export async function readPassphrase(options: {
  readonly file: string | undefined;
  readonly question: string;
  readonly twice: boolean;
}): Promise<string> {
  if (options.file !== undefined) return fromFile(options.file);
  const variable = process.env[VARIABLE];
  if (variable !== undefined) return variable;
  const directory = process.env['CREDENTIALS_DIRECTORY'];
  if (directory !== undefined && statSync(join(directory, CREDENTIAL), { throwIfNoEntry: false }) !== undefined) {
    return fromFile(join(directory, CREDENTIAL));
  }
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError(`the CA key has a passphrase: use --passphrase-file, ${VARIABLE} or a terminal`);
  }
  const answer = await askSecret(options.question);
  if (options.twice && (await askSecret('Once more: ')) !== answer) throw new UsageError('the two passphrases differ');
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
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  try {
    return await readKeys(stdin);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

async function readKeys(keys: AsyncIterable<string>): Promise<string> {
  let answer = '';
  for await (const chunk of { [Symbol.asyncIterator]: () => unowned(keys) }) {
    for (const key of chunk) {
      if (key === '\r' || key === '\n' || key === '\u0004') return answer;
      if (key === '\u0003') throw Object.assign(new Error('interrupted'), { exitCode: ExitCode.failed });
      if (key === '\u007f' || key === '\b') answer = [...answer].slice(0, -1).join('');
      else if (key === '\u0015') answer = '';
      else answer += key;
    }
  }
  return answer;
}

/** An iterator that leaves the stream open when the loop ends, for the next question. */
function unowned(keys: AsyncIterable<string>): AsyncIterator<string> {
  const iterator = keys[Symbol.asyncIterator]();
  return { next: () => iterator.next() };
}
