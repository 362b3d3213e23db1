/** A question on the terminal whose answer leaves no trace on it. */
import { UsageError } from './program.ts';

const INTERRUPT = '\u0003';
const END_OF_INPUT = '\u0004';
const ERASE = new Set(['\u007f', '\b']);
const ERASE_LINE = '\u0015';
const MAX_CHARACTERS = 4_096;

/** Asks for a line without echo. Throws UsageError without a terminal (`instead` says what to use), or when the user gives up. */
export async function askSecret(question: string, instead: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) throw new UsageError(`there is no terminal to ask on: ${instead}`);
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

function readKeys(stdin: NodeJS.ReadStream): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = '';
  const take = (chunk: string): void => {
    for (const key of chunk) {
      if (key === '\r' || key === '\n') resolve(answer);
      else if (key === INTERRUPT || key === END_OF_INPUT) reject(new UsageError('given up'));
      else if (key === ERASE_LINE) answer = '';
      else if (ERASE.has(key)) answer = [...answer].slice(0, -1).join('');
      else if (key >= ' ' && answer.length < MAX_CHARACTERS) answer += key;
    }
  };
  stdin.on('data', take);
  stdin.resume();
  return promise.finally(() => stdin.off('data', take));
}
