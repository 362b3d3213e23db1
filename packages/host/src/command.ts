/**
 * Runs the system's own tools (ip, nft, resolvectl) and turns what they say into errors.
 *
 * No shell is involved, the language of messages is English, and a tool that hangs is ended.
 */
import { spawn } from 'node:child_process';
import type { Logger } from '@culvert/base';
import { HostError } from './errors.ts';

const TIMEOUT_MS = 15_000;
/** Enough for a table of 100,000 routes; more is not read. */
const OUTPUT_BYTES = 16 * 1024 * 1024;

const packageOf: Readonly<Record<string, string>> = { ip: 'iproute2', nft: 'nftables', resolvectl: 'systemd-resolved' };

/** What the kinds of change work with. */
export interface Tools {
  readonly log: Logger;
  readonly resolvConf: string;
  /** Inherited by every tool, so that a recovery can see one that outlived its parent. */
  readonly journalFd: number | undefined;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool to its end, whatever its exit code. Throws HostError CULVERT_HOST_TOOL when it cannot be started or hangs. */
export function run(
  tools: Pick<Tools, 'journalFd'>,
  command: string,
  args: readonly string[],
  input = '',
): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const child = spawn(command, args, {
    env: { LC_ALL: 'C', PATH: `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin` },
    stdio: ['pipe', 'pipe', 'pipe', tools.journalFd ?? 'ignore'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.on('error', (cause) => reject(startError(command, cause)));
  child.on('close', (code, signal) => {
    if (code !== null) resolve({ code, stdout: stdout(), stderr: stderr().trim() });
    else reject(new HostError('CULVERT_HOST_TOOL', `${command} was ended by ${signal ?? 'a signal'}`));
  });
  child.stdin?.on('error', () => {}); // The tool ended before it read all: its exit code tells.
  child.stdin?.end(input);
  return promise;
}

/** Runs a tool that must succeed; returns its output. Throws HostError with the tool's own words. */
export async function runOk(
  tools: Pick<Tools, 'journalFd'>,
  command: string,
  args: readonly string[],
  input = '',
): Promise<string> {
  const outcome = await run(tools, command, args, input);
  if (outcome.code !== 0) throw commandError([command, ...args].join(' '), outcome.stderr);
  return outcome.stdout;
}

/** The error of a command line that failed with these words. */
export function commandError(line: string, stderr: string): HostError {
  const words = stderr.replaceAll(/\s*\n\s*/g, '; ') || 'no reason given';
  const denied = /operation not permitted|permission denied|must be root/i.test(stderr);
  return new HostError(denied ? 'CULVERT_HOST_PERMISSION' : 'CULVERT_HOST_COMMAND', `${line}: ${words}`);
}

function startError(command: string, cause: Error): HostError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  const detail = missing ? `${command} (install the package ${packageOf[command] ?? command})` : command;
  return new HostError('CULVERT_HOST_TOOL', detail, { cause });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= OUTPUT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString();
}
