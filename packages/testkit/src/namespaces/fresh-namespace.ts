import { spawnSync } from 'node:child_process';
import { onCi } from './prerequisites.ts';

/**
 * Moves the test file that calls it into an empty network namespace, which ends with its process: nothing of the host's network
 * can be touched. Call it at the top of the file. Returns `false`, or the reason to skip (on CI it throws instead).
 */
export function enterFreshNamespace(): string | false {
  if (process.env['CULVERT_TESTKIT_NAMESPACE'] === String(process.pid)) return false;
  const how = [['-n'], ['-rn']].find((flags) => spawnSync('unshare', [...flags, 'true']).status === 0);
  if (how === undefined)
    return missing('network namespaces are missing (root or user namespaces, and unshare of util-linux)');
  const script = 'CULVERT_TESTKIT_NAMESPACE=$$; export CULVERT_TESTKIT_NAMESPACE; ip link set lo up; exec "$@"';
  const command = [
    'unshare',
    ...how,
    'sh',
    '-c',
    script,
    'sh',
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ];
  process.execve?.('/usr/bin/env', ['env', ...command], process.env as Record<string, string>);
  return missing('this Node has no process.execve');
}

/** A reason to skip; where prerequisites must be there (CI) an error. */
export function missing(reason: string): string {
  if (onCi()) throw new Error(reason);
  return reason;
}
