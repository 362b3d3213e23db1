/** Routes, by `ip route`. A thousand of them are one command. */
import {
  canonicalAddress,
  canonicalNetwork,
  checkAddress,
  checkDevice,
  checkNetwork,
  checkNumber,
  familyOf,
  type Kind,
  type RouteChange,
  type Step,
} from './change.ts';
import { commandError, run, type Tools } from './command.ts';
import { ipBatch, ipUndo } from './ip-batch.ts';

const MAIN_TABLE = 254;

interface RouteBefore {
  /** The route that stood in this one's place, in the words of `ip route show`; null: none. */
  readonly replaced: string | null;
}

type RouteStep = Step<RouteChange, RouteBefore>;

export const routeKind: Kind<RouteChange, RouteBefore> = {
  check(change) {
    checkNetwork(change.network);
    if (change.via !== undefined) checkAddress(change.via);
    if (change.device !== undefined) checkDevice(change.device);
    checkNumber('metric', change.metric, 0, 0xffff_ffff);
    checkNumber('table', change.table, 1, 0xffff_ffff);
    if (change.type !== 'unreachable' && change.via === undefined && change.device === undefined) {
      throw new TypeError(`the route to ${change.network} has neither gateway nor device`);
    }
  },
  async before(changes, tools) {
    const tables = new Map<string, readonly ShownRoute[]>();
    for (const change of changes) {
      const key = tableKey(change);
      if (!tables.has(key)) tables.set(key, await showRoutes(familyOf(change.network), change.table, tools));
    }
    return changes.map((change) => beforeOf(change, tables.get(tableKey(change)) ?? []));
  },
  async make(steps, tools) {
    for (const family of [4, 6] as const) {
      const own = steps.filter(({ change }) => familyOf(change.network) === family);
      const lines = own.map(
        ({ change, before }) => `route ${before.replaced === null ? 'add' : 'replace'} ${spec(change)}`,
      );
      await ipBatch(family, lines, tools);
    }
  },
  async undo(steps, tools) {
    const problems = new Map<RouteStep, string>();
    for (const family of [4, 6] as const) {
      const lines = steps.filter(({ change }) => familyOf(change.network) === family).flatMap(undoLines);
      const words = await ipUndo(
        family,
        lines.map(({ line }) => line),
        tools,
      );
      for (const [i, { step }] of lines.entries()) {
        const problem = words[i];
        if (problem !== undefined) problems.set(step, problem);
      }
    }
    return steps.map((step) => problems.get(step));
  },
};

/** When the old route's device is gone too, putting it back fails and ours must still go: hence both lines. */
function undoLines(step: RouteStep): { readonly step: RouteStep; readonly line: string }[] {
  const { change, before } = step;
  const remove = { step, line: `route del ${spec(change)}` };
  if (before.replaced === null) return [remove];
  const restore = `route replace ${restorable(before.replaced)} table ${change.table ?? MAIN_TABLE}`;
  return [{ step, line: restore }, remove];
}

function spec(change: RouteChange): string {
  const words = change.type === 'unreachable' ? ['unreachable', change.network] : [change.network];
  if (change.via !== undefined) words.push('via', change.via);
  if (change.device !== undefined) words.push('dev', change.device);
  if (change.metric !== undefined) words.push('metric', String(change.metric));
  words.push('table', String(change.table ?? MAIN_TABLE));
  return words.join(' ');
}

/** What `ip route show` prints but does not take back. */
function restorable(text: string): string {
  return text
    .replaceAll(/ (?:linkdown|dead|pervasive|offload|trap|notify|offload_failed|rt_offload)(?= |$)/g, '')
    .replaceAll(/ (?:expires|error|nhid|used|age) \S+/g, '')
    .trim();
}

function tableKey(change: RouteChange): string {
  return `${familyOf(change.network)} ${change.table ?? MAIN_TABLE}`;
}

function beforeOf(change: RouteChange, routes: readonly ShownRoute[]): RouteBefore | undefined {
  const metric = change.metric ?? (familyOf(change.network) === 6 ? 1024 : 0);
  const network = canonicalNetwork(change.network);
  const standing = routes.find((route) => route.network === network && route.metric === metric);
  if (standing === undefined) return { replaced: null };
  const same =
    standing.type === (change.type ?? 'unicast') &&
    (change.type === 'unreachable' ||
      ((change.device === undefined || standing.device === change.device) &&
        standing.via === (change.via === undefined ? undefined : canonicalAddress(change.via))));
  return same ? undefined : { replaced: standing.text };
}

/** A line of `ip route show`. */
export interface ShownRoute {
  readonly text: string;
  readonly type: string;
  /** As `canonicalNetwork` has it. */
  readonly network: string;
  readonly via: string | undefined;
  readonly device: string | undefined;
  readonly metric: number;
}

/** The routes of a table, in the kernel's order. A table that does not exist is empty. */
export async function showRoutes(
  family: 4 | 6,
  table: number | undefined,
  tools: Pick<Tools, 'journalFd'>,
): Promise<readonly ShownRoute[]> {
  const outcome = await run(tools, 'ip', [`-${family}`, 'route', 'show', 'table', String(table ?? MAIN_TABLE)]);
  if (outcome.code !== 0 && !/table does not exist/i.test(outcome.stderr)) {
    throw commandError('look at the routes', outcome.stderr);
  }
  // The next hops of a multipath route stand on lines of their own that begin with a blank.
  const lines = outcome.stdout.replaceAll(/\n\s+/g, ' ').split('\n');
  return lines.filter((line) => line.trim() !== '').map((line) => parseShown(line.trim(), family));
}

const types = new Set([
  'unicast',
  'unreachable',
  'blackhole',
  'prohibit',
  'throw',
  'local',
  'broadcast',
  'multicast',
  'anycast',
]);

function parseShown(text: string, family: 4 | 6): ShownRoute {
  const words = text.split(/\s+/);
  const type = types.has(words[0] ?? '') ? (words.shift() ?? '') : 'unicast';
  const after = (word: string) => {
    const at = words.indexOf(word);
    return at < 0 ? undefined : words[at + 1];
  };
  return {
    text,
    type,
    network: words[0] ?? '',
    via: after('via'),
    device: after('dev'),
    metric: Number(after('metric') ?? (family === 6 ? 1024 : 0)),
  };
}
