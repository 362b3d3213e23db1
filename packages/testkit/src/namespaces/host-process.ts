/** A program that runs on a test host: its output is kept, its end is known, and it dies with us. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { Millis } from '@culvert/base';
import { eventually, inTime } from '../eventually.ts';

/** Output beyond this is forgotten from its beginning. */
const OUTPUT_LIMIT = 8 * 1024 * 1024;

/** A program that takes a second to start took thirty on a machine that others wanted too. What does not fail never waits so long. */
const PATIENCE: Millis = 120_000;

/** Characters of output that a failure shows. */
const LAST_WORDS = 4_000;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to its standard input, which is then closed. @default nothing */
  readonly input?: string;
  /** Its standard input stays open for `write`. */
  readonly inputStaysOpen?: boolean;
  /** Its descriptor 3 is one end of a socket pair, `channel` the other. */
  readonly channel?: boolean;
  /** It has processes of its own that signals must reach too. */
  readonly group?: boolean;
}

export class HostProcess {
  readonly pid: number;
  readonly command: string;
  readonly exited: Promise<ProcessEnd>;
  end: ProcessEnd | undefined;
  stdout = '';
  stderr = '';
  /** Both, as they came. */
  output = '';
  readonly channel: Duplex | undefined;
  readonly #group: boolean;
  readonly #child: ChildProcess;

  /** @param argv as it is executed; the process gets SIGKILL when ours dies, however we die. */
  constructor(argv: readonly string[], options: SpawnOptions = {}) {
    this.command = argv.join(' ');
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
      stdio: ['pipe', 'pipe', 'pipe', ...(options.channel === true ? (['pipe'] as const) : [])],
      detached: options.group === true,
      env: { ...process.env, ...options.env },
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.pid = this.#child.pid ?? 0;
    this.#group = options.group === true;
    for (const name of ['stdout', 'stderr'] as const) {
      this.#child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this[name] = (this[name] + text).slice(-OUTPUT_LIMIT);
        this.output = (this.output + text).slice(-OUTPUT_LIMIT);
      });
    }
    this.#child.stdin?.on('error', () => {}); // it may end without reading
    if (options.inputStaysOpen === true) this.#child.stdin?.write(options.input ?? '');
    else this.#child.stdin?.end(options.input ?? '');
    this.channel = (this.#child.stdio[3] as Duplex | null | undefined) ?? undefined;
    const { promise, resolve, reject } = Promise.withResolvers<ProcessEnd>();
    this.exited = promise;
    promise.catch(() => {});
    this.#child.on('error', reject);
    this.#child.on('close', (code, signal) => {
      this.end = { code, signal };
      resolve(this.end);
    });
  }

  /** Waits until its output matches, and returns the match; fails with the output when the deadline or the process ends first. */
  async waitFor(pattern: RegExp | string, within: Millis = PATIENCE): Promise<RegExpMatchArray> {
    const expression =
      typeof pattern === 'string' ? new RegExp(pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : pattern;
    const probe = () => {
      const match = this.output.match(expression);
      if (match === null && this.end !== undefined) throw this.#failure(`ended before it said ${pattern}`);
      return match ?? undefined;
    };
    try {
      return await eventually(`${this.command} says ${pattern}`, probe, within);
    } catch (error) {
      throw error instanceof ProcessFailure ? error : this.#failure(`did not say ${pattern} within ${within} ms`);
    }
  }

  /** Its end; fails when it ends otherwise than with exit code 0. */
  async succeeded(within: Millis = PATIENCE): Promise<this> {
    const { code, signal } = await inTime(this.command, this.exited, within).catch((error) => {
      this.signal('SIGKILL');
      throw this.#failure(String(error));
    });
    if (code !== 0) throw this.#failure(`ended with ${signal ?? `exit code ${code}`}`);
    return this;
  }

  /** To its standard input, where that stays open. */
  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.end !== undefined) return;
    if (!this.#group) this.#child.kill(signal);
    else if (this.pid > 0) killGroup(this.pid, signal);
  }

  /** Asks it to end, then insists. Returns how it ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', within: Millis = 30_000): Promise<ProcessEnd> {
    this.signal(signal);
    try {
      return await inTime('the end', this.exited, within);
    } catch {
      this.signal('SIGKILL');
      return await this.exited;
    }
  }

  #failure(what: string): ProcessFailure {
    return new ProcessFailure(`${this.command}: ${what}; its output:\n${this.output.slice(-LAST_WORDS)}`);
  }
}

/** Told beside why a test failed; nothing where it passed. */
export interface DiagnosedTest {
  diagnostic(message: string): void;
}

/** For hooks after a test: where it failed, what each of these said last is part of its diagnostics. */
export function showLastWords(t: DiagnosedTest, processes: readonly HostProcess[]): void {
  // Node has it from 20.12 on; its types do not know.
  if ('passed' in t && t.passed === true) return;
  for (const { command, output } of processes) t.diagnostic(`${command} said last:\n${output.slice(-LAST_WORDS)}`);
}

function killGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just ended
  }
}

export class ProcessFailure extends Error {
  override readonly name = 'ProcessFailure';
}
