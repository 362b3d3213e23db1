/** Questions on the terminal. A secret answer leaves no trace on it. */
import { UsageError } from './program.ts';

const INTERRUPT = '\u0003';
const END_OF_INPUT = '\u0004';
const ERASE = new Set(['\u007f', '\b']);
const ERASE_LINE = '\u0015';
const MAX_CHARACTERS = 4_096;

/** Asks for a line. Throws UsageError without a terminal (`instead` says what to use), or when the user gives up. */
export function ask(question: string, instead: string): Promise<string> {
  return askWith((text) => process.stderr.write(text), question, instead);
}

/** As `ask`, without echo. */
export function askSecret(question: string, instead: string): Promise<string> {
  return askWith(() => {}, question, instead);
}

async function askWith(echo: (text: string) => void, question: string, instead: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) throw new UsageError(`there is no terminal to ask on: ${instead}`);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stderr.write(question);
  try {
    return await readLine(stdin, echo);
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}

/** Keys up to Enter; those behind it are left for the next question. */
function readLine(keys: NodeJS.ReadStream, echo: (text: string) => void): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const giveUp = () => reject(new UsageError('given up'));
  let answer: string[] = [];
  const erase = (count: number) => {
    echo('\b \b'.repeat(count));
    answer = answer.slice(0, answer.length - count);
  };
  const take = (chunk: string) => {
    const pressed = [...chunk];
    for (const [i, key] of pressed.entries()) {
      if (key === '\r' || key === '\n') {
        keys.off('data', take).pause();
        if (i + 1 < pressed.length) keys.unshift(pressed.slice(i + 1).join(''));
        return resolve(answer.join(''));
      }
      if (key === INTERRUPT || key === END_OF_INPUT) return giveUp();
      if (key === ERASE_LINE) erase(answer.length);
      else if (ERASE.has(key)) erase(Math.min(1, answer.length));
      else if (key >= ' ' && answer.length < MAX_CHARACTERS) {
        answer.push(key);
        echo(key);
      }
    }
  };
  keys.on('data', take).on('end', giveUp).resume();
  return promise.finally(() => keys.off('data', take).off('end', giveUp).pause());
}
