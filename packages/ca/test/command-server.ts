/**
 * Runs command lines of culvert-ca one after the other in one process, for a parent that tests them: starting the program takes
 * 0.4 s, a command a few milliseconds. Requests and answers are messages over the IPC channel.
 */
import { main } from '../src/program.ts';

export interface CommandRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface CommandAnswer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function answer({ argv, cwd, env }: CommandRequest): Promise<CommandAnswer> {
  const output = { stdout: '', stderr: '' };
  const original = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const stream of ['stdout', 'stderr'] as const) {
    process[stream].write = (chunk: string | Uint8Array) => {
      output[stream] += String(chunk);
      return true;
    };
  }
  const before = { ...process.env };
  Object.assign(process.env, env);
  process.chdir(cwd);
  process.exitCode = 0;
  await main(argv);
  process.env = before;
  process.stdout.write = original.stdout;
  process.stderr.write = original.stderr;
  const status = Number(process.exitCode ?? 0);
  process.exitCode = 0;
  process.chdir('/');
  return { status, ...output };
}

process.on('message', async (request: CommandRequest) => {
  process.send?.(await answer(request));
});
