/**
 * `up --background`: a child of its own session runs the tunnel; the parent waits until it is up, and tells how it went.
 *
 * The child gets its secrets over the channel between them, never by arguments or environment. Its log goes to a file.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { CulvertError } from '@culvert/base';
import { ClientError } from './errors.ts';
import type { Secrets } from './profile.ts';
import type { TunnelDescription } from './status.ts';

/** Set for the child. */
const MARK = 'CULVERT_BACKGROUND';

export type ChildReport =
  | { readonly kind: 'up'; readonly description: TunnelDescription }
  | { readonly kind: 'failed'; readonly message: string; readonly exitCode: number };

/** The child's failure, told by the parent. */
export class BackgroundError extends Error {
  override readonly name = 'BackgroundError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Starts the child with this program's `args`. Resolves when the tunnel is up. Throws BackgroundError when it does not come up. */
export async function startInBackground(options: {
  readonly args: readonly string[];
  readonly secrets: Secrets;
  readonly logFile: string;
  readonly signal: AbortSignal;
}): Promise<TunnelDescription> {
  const log = openSync(options.logFile, 'w', 0o600);
  const child = fork(join(import.meta.dirname, 'main.ts'), options.args, {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, [MARK]: '1' },
  });
  closeSync(log);
  const stop = () => child.kill('SIGTERM');
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    child.send(options.secrets);
    const report = (await Promise.race([
      once(child, 'message').then(([message]) => message as ChildReport),
      once(child, 'exit').then(() => undefined),
    ])) as ChildReport | undefined;
    if (report?.kind === 'up') return report.description;
    throw report === undefined
      ? new ClientError('CULVERT_CLIENT_ENDED', `before it was up; its log is ${options.logFile}`)
      : new BackgroundError(report.message, report.exitCode);
  } finally {
    options.signal.removeEventListener('abort', stop);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

export function isBackgroundChild(): boolean {
  return process.env[MARK] === '1' && process.send !== undefined;
}

/** In the child: what the parent asked for on the terminal. */
export async function receiveSecrets(): Promise<Secrets> {
  const [secrets] = (await once(process, 'message')) as [Secrets];
  return secrets;
}

/** In the child: tells the parent, and lets it go. */
export function report(report: ChildReport): void {
  process.send?.(report, () => {
    if (process.connected) process.disconnect();
  });
}

/** What the parent shall print. */
export function failureReport(error: unknown, exitCode: number): ChildReport {
  const lines = [error instanceof Error ? error.message : String(error)];
  if (error instanceof CulvertError) {
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause)
      lines.push(`  because: ${cause.message}`);
  }
  return { kind: 'failed', message: lines.join('\n'), exitCode };
}
