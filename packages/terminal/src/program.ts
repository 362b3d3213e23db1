/**
 * A program's outermost frame: yargs for the command line, one place where errors become a sentence and an exit code.
 */
import { CulvertError } from '@culvert/base';
import yargs, { type Argv, type CommandModule } from 'yargs';
import { flushLog } from './log.ts';

/** Exit codes mean the same in all programs. */
export const ExitCode = {
  ok: 0,
  /** It was tried and failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The configuration or an input file is wrong. */
  configuration: 3,
  /** A privilege, device or file permission is missing. */
  permission: 4,
  /** The peer refused: wrong password, revoked or expired certificate. */
  refused: 5,
  /** The program that should answer does not run. */
  notRunning: 6,
} as const;

const exitCodesText =
  'Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration or input file, 4 a privilege or permission is ' +
  'missing, 5 the peer refused, 6 not running. CULVERT_DEBUG=1 adds stacks to errors, which docs/errors.md explains.';

/** The caller's mistake on the command line, beyond what yargs checks. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Errors may carry `exitCode` to choose one of `ExitCode`. */
interface WithExitCode {
  readonly exitCode?: number;
}

/**
 * Parses `argv` and runs the command. Sets `process.exitCode`; never calls `process.exit`.
 * An error prints one plain sentence (and its cause) on stderr; with CULVERT_DEBUG=1 the stack as well.
 */
export async function runProgram(options: {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  // biome-ignore lint/suspicious/noExplicitAny: yargs types a list of unlike commands so
  readonly commands: readonly CommandModule<any, any>[];
  readonly examples: readonly (readonly [command: string, why: string])[];
  readonly argv: readonly string[];
  readonly configure?: (y: Argv) => Argv;
}): Promise<void> {
  let y = yargs([...options.argv])
    .scriptName(options.name)
    .usage(`$0 <command>\n\n${options.summary}`)
    .version(options.version)
    .help()
    .alias('h', 'help')
    .strict()
    .demandCommand(1, 'Which command? See --help.')
    .recommendCommands()
    .wrap(Math.min(110, process.stdout.columns ?? 100))
    .exitProcess(false)
    .fail((message: string | undefined, error: Error | undefined) => {
      throw error ?? new UsageError(message ?? 'unknown mistake');
    });
  y = y.epilogue(exitCodesText);
  for (const [command, why] of options.examples) y = y.example(command, why);
  for (const command of options.commands) y = y.command(command);
  if (options.configure !== undefined) y = options.configure(y);
  try {
    await y.parseAsync();
  } catch (error) {
    reportError(options.name, error);
  }
}

function reportError(name: string, error: unknown): void {
  flushLog();
  if (error instanceof UsageError) {
    process.stderr.write(`${name}: ${error.message}\nSee '${name} --help'.\n`);
    process.exitCode = ExitCode.usage;
    return;
  }
  const sentence = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${name}: ${sentence}\n`);
  for (let cause = (error as Error).cause; cause instanceof Error; cause = cause.cause) {
    process.stderr.write(`  because: ${cause.message}\n`);
  }
  if (process.env['CULVERT_DEBUG'] === '1' || !(error instanceof CulvertError || error instanceof Error)) {
    process.stderr.write(`${(error as Error).stack ?? ''}\n`);
  }
  process.exitCode = (error as WithExitCode).exitCode ?? ExitCode.failed;
}
