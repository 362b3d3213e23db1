/** What this process holds open: event-loop handles by Node's account, and descriptors by the kernel's. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Work in progress that ends by itself. */
const passing = new Set(['Immediate', 'CloseReq', 'FSReqPromise', 'FSReqCallback', 'GetAddrInfoReqWrap']);

/** Counts by kind. */
export function openResources(): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const kind of process.getActiveResourcesInfo()) if (!passing.has(kind)) add(kind);
  for (const fd of readdirSync('/proc/self/fd')) {
    const kind = descriptorKind(fd);
    if (kind !== undefined) add(`descriptor of ${kind}`);
  }
  return counts;
}

/** What `after` holds beyond `before`, as text; empty when nothing. */
export function surplus(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string {
  return [...after]
    .map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)] as const)
    .filter(([, more]) => more > 0)
    .map(([kind, more]) => `${more} ${kind}`)
    .join(', ');
}

/** Sockets and devices count; files come and go with the module loader. */
function descriptorKind(fd: string): string | undefined {
  try {
    const target = readlinkSync(`/proc/self/fd/${fd}`);
    if (target.startsWith('socket:')) return 'socket';
    return target.startsWith('/dev/') ? target : undefined;
  } catch {
    return undefined; // closed since the listing: the listing's own descriptor, for one
  }
}
