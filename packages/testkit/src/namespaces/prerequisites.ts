/** What tests on real devices need of the machine, and what to do when it is missing. */
import { accessSync, constants } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import type { TestContext } from 'node:test';

/** On continuous integration a missing prerequisite is a failure. */
export function onCi(): boolean {
  return process.env['CI'] === '1' || process.env['CI'] === 'true' || process.env['CULVERT_CI'] === '1';
}

/** What is missing for namespaces with TUN devices and these programs, in plain sentences; empty when nothing is. */
export function missingForLab(programs: readonly string[] = []): string[] {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push('network namespaces need root');
  if (!usable('/dev/net/tun'))
    missing.push('/dev/net/tun is missing (modprobe tun; in a container: --device /dev/net/tun)');
  for (const program of ['ip', 'setpriv', ...programs]) {
    if (!hasProgram(program)) missing.push(`the program ${program} is not installed`);
  }
  return missing;
}

/** True when all is there. Otherwise the test is skipped with the reason, or fails on continuous integration. */
export function labIsPossible(t: TestContext, programs: readonly string[] = []): boolean {
  const missing = missingForLab(programs);
  if (missing.length === 0) return true;
  const reason = missing.join('; ');
  if (onCi()) throw new Error(`a prerequisite is missing: ${reason}`);
  t.skip(reason);
  return false;
}

function usable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** By name or by absolute path. */
function hasProgram(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(resolve(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
