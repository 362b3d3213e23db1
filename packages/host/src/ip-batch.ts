/** Many `ip` commands in one process: all or an error for doing, each on its own for undoing. */
import { commandError, run, type Tools } from './command.ts';

/** What `ip` says of a thing that is not there (any more). */
const gone =
  /No such process|No such file or directory|No such device|Cannot find device|does not exist|Cannot assign requested address|address not found/i;

/** Runs the lines of one family in order; the first that fails ends it. Throws HostError naming that line. */
export async function ipBatch(family: 4 | 6, lines: readonly string[], tools: Tools): Promise<void> {
  if (lines.length === 0) return;
  const outcome = await run(tools, 'ip', [`-${family}`, '-batch', '-'], `${lines.join('\n')}\n`);
  if (outcome.code === 0) return;
  const [failed] = parseFailures(outcome.stderr);
  throw commandError(`ip -${family} ${lines[(failed?.line ?? 1) - 1] ?? lines[0]}`, failed?.words ?? outcome.stderr);
}

/** Runs every line; for each that failed, and not because its thing is gone already, the words of `ip`. */
export async function ipUndo(
  family: 4 | 6,
  lines: readonly string[],
  tools: Tools,
): Promise<readonly (string | undefined)[]> {
  const problems: (string | undefined)[] = lines.map(() => undefined);
  for (let from = 0; from < lines.length; ) {
    const rest = lines.slice(from);
    const outcome = await run(tools, 'ip', [`-${family}`, '-force', '-batch', '-'], `${rest.join('\n')}\n`);
    const failures = parseFailures(outcome.stderr);
    for (const { line, words } of failures) if (!gone.test(words)) problems[from + line - 1] = words;
    if (outcome.code === 0 || /^Command failed /m.test(outcome.stderr.split('\n').at(-1) ?? '')) break;
    // `ip` gave up in the middle of a line that it could not parse: go on behind the first that it did not report.
    const stuck = (failures.at(-1)?.line ?? 0) + 1;
    problems[from + stuck - 1] = outcome.stderr.split('\n').at(-1) || 'ip gave up';
    from += stuck;
  }
  return problems;
}

/** `words`, then `Command failed -:7`, for each line that failed. */
function parseFailures(stderr: string): { readonly line: number; readonly words: string }[] {
  const failures: { line: number; words: string }[] = [];
  let words: string[] = [];
  for (const text of stderr.split('\n')) {
    const line = /^Command failed .*:(\d+)$/.exec(text)?.[1];
    if (line === undefined) {
      words.push(text);
      continue;
    }
    failures.push({ line: Number(line), words: words.join('; ') });
    words = [];
  }
  return failures;
}
