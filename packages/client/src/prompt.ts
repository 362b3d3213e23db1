/** Questions on the terminal. The answer to one without echo leaves no trace on it. */
import { ClientError } from './errors.ts';

const ENTER = /[\r\n]/;
const INTERRUPT = '\u0003';
const END_OF_INPUT = '\u0004';
const ERASE = new Set(['\u007f', '\b']);
const ERASE_LINE = '\u0015';
const MAX_CHARACTERS = 4_096;

/** Asks one question. Throws ClientError CULVERT_CLIENT_CREDENTIALS without a terminal, or when the user gives up. */
export async function ask(question: string, options: { readonly echo: boolean }): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) {
    throw new ClientError(
      'CULVERT_CLIENT_CREDENTIALS',
      'there is no terminal to ask on; use --username and --password-file',
    );
  }
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  try {
    return await readAnswer(stdin, options.echo ? (text) => stderr.write(text) : () => {});
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

function readAnswer(stdin: NodeJS.ReadStream, echo: (text: string) => void): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = '';
  const take = (chunk: string): void => {
    for (const char of chunk) {
      if (ENTER.test(char)) resolve(answer);
      else if (char === INTERRUPT || char === END_OF_INPUT) {
        reject(new ClientError('CULVERT_CLIENT_CREDENTIALS', 'given up'));
      } else if (char === ERASE_LINE) answer = '';
      else if (ERASE.has(char)) {
        if (answer !== '') echo('\b \b');
        answer = [...answer].slice(0, -1).join('');
      } else if (char >= ' ' && answer.length < MAX_CHARACTERS) {
        answer += char;
        echo(char);
      }
    }
  };
  stdin.on('data', take);
  stdin.resume();
  return promise.finally(() => stdin.off('data', take));
}
