/** Who a process is, beyond its number, and whether it still lives. Read from /proc. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** A process for as long as it lives: numbers are given again, start times are not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after the boot. */
  readonly start: string;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, start: startOf(process.pid) ?? '' };
}

/** False also for a process that ended and that its parent has not buried yet. */
export function isAlive(identity: ProcessIdentity): boolean {
  return startOf(identity.pid) === identity.start;
}

/**
 * The boot and the network namespace that this process lives in: what was changed in another one is not here.
 */
export function networkSpace(): string {
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/net')}`;
}

/** The start time of a process that runs; undefined when there is none. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): the command's name may hold blanks and brackets; after its last bracket come state (3) … start time (22).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const state = fields[0];
    return state === 'Z' || state === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/**
 * Other processes that have `file` open: tools that outlived the process which started them, at whatever point between fork and
 * exit they are.
 */
export function processesHolding(file: string): number[] {
  const wanted = statSync(file);
  const isWanted = (link: string): boolean => {
    const held = statSync(link, { throwIfNoEntry: false });
    return held?.ino === wanted.ino && held.dev === wanted.dev;
  };
  const holds = (pid: string): boolean => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => isWanted(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false; // It ended meanwhile, or belongs to another user.
    }
  };
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid);
  return pids.filter(holds).map(Number);
}
