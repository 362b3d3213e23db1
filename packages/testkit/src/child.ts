import { spawn } from 'node:child_process';

export interface ChildResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** Runs `script` (an ES module; `subject` is the package at `entry`) in a Node of its own, started by way of `wrapper`; killed after a minute. */
export function runChild(entry: URL, script: string, wrapper: readonly string[] = []): Promise<ChildResult> {
  const module = `import * as subject from ${JSON.stringify(entry.href)};\n${script}`;
  const [command = '', ...args] = [...wrapper, process.execPath, '--input-type=module', '-e', module];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000, killSignal: 'SIGKILL' });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (status, signal) => resolve({ status, signal, output: output.trim() }));
  });
}
