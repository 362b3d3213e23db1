/** Tells when the host's routes or links change: a laptop that moves from one network to another. */
import { spawn } from 'node:child_process';
import type { Logger } from '@culvert/base';

/** Changes come in bursts; one call at the end of each. */
const SETTLE_MS = 300;

/**
 * Calls `onChange` after each burst of changes, by `ip monitor`, until `close`. Without it (the tool is missing) nothing is told,
 * and a warning says so.
 */
export function watchRoutes(onChange: () => void, log: Logger): { close(): void } {
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const child = spawn('ip', ['monitor', 'link', 'address', 'route'], {
    env: { LC_ALL: 'C', PATH: `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin` },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.stdout.on('data', () => {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(onChange, SETTLE_MS).unref();
  });
  const ended = () => {
    if (!closed) log.warn('changes of routes are not seen any more: ip monitor ended');
    closed = true;
  };
  child.on('error', ended);
  child.on('exit', ended);
  return {
    close: () => {
      closed = true;
      clearTimeout(timer);
      child.kill('SIGKILL');
    },
  };
}
