/**
 * Changes of the host: each is in the journal before it is made, and all are undone in reverse order.
 *
 * Owns order and journal: one change at a time, written down (with what was before), then made. What a killed process left is
 * undone by the next `HostChanges.open` or `recover` on the same journal.
 */
import { existsSync } from 'node:fs';
import type { Logger } from '@culvert/base';
import type { HostChange, Kind } from './change.ts';
import type { Tools } from './command.ts';
import { addressKind, linkKind } from './device.ts';
import { dnsKind } from './dns.ts';
import { HostError } from './errors.ts';
import { type Entry, Journal } from './journal.ts';
import { nftKind } from './nft.ts';
import { routeKind } from './route.ts';
import { ruleKind } from './rule.ts';
import { sysctlKind } from './sysctl.ts';

export interface HostOptions {
  /** The journal's path: `/run/culvert/NAME.journal`. One process at a time. */
  readonly journal: string;
  readonly log: Logger;
  /** @default '/etc/resolv.conf' */
  readonly resolvConf?: string;
}

/** The changes of one call of `apply`, to be undone on their own. */
export interface AppliedChanges {
  /** Undoes them in reverse order. What cannot be undone is logged and stays in the journal. Later calls do nothing. */
  undo(): Promise<void>;
}

type AnyKind = Kind<HostChange, unknown>;

export class HostChanges {
  readonly #journal: Journal;
  readonly #tools: Tools;
  readonly #applied = new WeakMap<AppliedChanges, readonly Entry[]>();
  /** Calls take turns. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(journal: Journal, tools: Tools) {
    this.#journal = journal;
    this.#tools = tools;
  }

  /**
   * Claims the journal and undoes what a killed process left in it. Throws HostError: CULVERT_HOST_BUSY when a running process
   * has the journal, CULVERT_HOST_JOURNAL when the file is not to be trusted.
   */
  static async open(options: HostOptions): Promise<HostChanges> {
    const journal = await Journal.open(options.journal);
    const { log, resolvConf = '/etc/resolv.conf' } = options;
    const changes = new HostChanges(journal, { log, resolvConf, journalFd: journal.fd });
    const left = journal.pending.length;
    if (left > 0) {
      log.warn('a process ended without undoing its changes of this host: undoing them now', { changes: left });
      await changes.undoAll();
    }
    return changes;
  }

  /**
   * Makes changes in the order given; all of them, or none: after a failure those of this call are undone and it throws
   * HostError (TypeError for a value that no host would take). Changes that find the host as wanted already are no changes.
   */
  apply(changes: readonly HostChange[]): Promise<AppliedChanges> {
    for (const change of changes) kindOf(change).check(change);
    return this.#inTurn(() => this.#applyAll(changes));
  }

  /**
   * Makes `changes` stand where those of an earlier call stood. What is in both is not touched, so that a tunnel whose server
   * changed one route does not leak meanwhile (unless it vanished: then it is made again); what is only in `old` is undone.
   * `old` is void afterwards.
   *
   * Addresses that go are taken away last: a device that loses its last address loses its routes. An nft table gives way to its
   * next version in one transaction.
   */
  replace(old: AppliedChanges, changes: readonly HostChange[]): Promise<AppliedChanges> {
    for (const change of changes) kindOf(change).check(change);
    return this.#inTurn(async () => {
      const standing = this.#applied.get(old) ?? [];
      this.#applied.delete(old);
      const wanted = new Set(changes.map((change) => JSON.stringify(change)));
      const kept = await this.#stillThere(standing.filter(({ change }) => wanted.has(JSON.stringify(change))));
      const stale = standing.filter((entry) => !kept.includes(entry));
      const present = new Set(kept.map(({ change }) => JSON.stringify(change)));
      const missing = changes.filter((change) => !present.has(JSON.stringify(change)));
      const isAddress = (change: HostChange) => change.kind === 'address';
      const made = [...kept];
      try {
        await this.#makeAll(missing.filter(isAddress), made);
        await this.#undo(stale.filter(({ change }) => !isAddress(change) && !isOverwritten(change, missing)));
        await this.#makeAll(
          missing.filter((change) => !isAddress(change)),
          made,
        );
        await this.#journal.markUndone(stale.filter(({ change }) => isOverwritten(change, missing)));
        await this.#undo(stale);
      } catch (error) {
        await this.#undo([...stale, ...made]);
        throw error;
      }
      return this.#handle(made);
    });
  }

  /** Undoes everything, last change first. Returns how many could not be undone; each of them is logged and stays in the journal. */
  undoAll(): Promise<number> {
    return this.#inTurn(async () => {
      await this.#undo(this.#journal.pending);
      return this.#journal.pending.length;
    });
  }

  /** Undoes everything and gives the journal up. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.undoAll().then(() => this.#journal.close());
    return this.#closed;
  }

  async #applyAll(changes: readonly HostChange[]): Promise<AppliedChanges> {
    const made: Entry[] = [];
    try {
      await this.#makeAll(changes, made);
    } catch (error) {
      await this.#undo(made);
      throw error;
    }
    return this.#handle(made);
  }

  /** Without the routes and addresses that vanished meanwhile: the kernel drops those of a device that goes down. */
  async #stillThere(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const there: Entry[] = [];
    for (const run of runsOfOneKind(entries, (entry) => entry.change)) {
      const [first] = run;
      if (first === undefined) continue;
      const vanishes = first.change.kind === 'route' || first.change.kind === 'address';
      const changes = run.map(({ change }) => change);
      const missing = vanishes ? await kindOf(first.change).before(changes, this.#tools) : [];
      there.push(...run.filter((_, i) => missing[i] === undefined));
    }
    return there;
  }

  #handle(entries: readonly Entry[]): AppliedChanges {
    const applied: AppliedChanges = {
      undo: () =>
        this.#inTurn(async () => {
          const standing = this.#applied.get(applied) ?? [];
          this.#applied.delete(applied);
          await this.#undo(standing);
        }),
    };
    this.#applied.set(applied, entries);
    return applied;
  }

  async #makeAll(changes: readonly HostChange[], made: Entry[]): Promise<void> {
    for (const run of runsOfOneKind(changes)) await this.#make(run, made);
  }

  async #make(changes: readonly HostChange[], made: Entry[]): Promise<void> {
    const [first] = changes;
    if (first === undefined) return;
    const kind = kindOf(first);
    const befores = await kind.before(changes, this.#tools);
    const steps = changes.flatMap((change, i) => (befores[i] === undefined ? [] : [{ change, before: befores[i] }]));
    if (steps.length === 0) return;
    made.push(...(await this.#journal.add(steps)));
    for (const { change } of steps) this.#tools.log.debug('change the host', { ...change });
    await kind.make(steps, this.#tools);
  }

  async #undo(entries: readonly Entry[]): Promise<void> {
    const pending = new Set(this.#journal.pending.map(({ id }) => id));
    const reversed = entries.filter(({ id }) => pending.has(id)).reverse();
    for (const run of runsOfOneKind(reversed, (entry) => entry.change)) await this.#undoRun(run);
  }

  async #undoRun(entries: readonly Entry[]): Promise<void> {
    const [first] = entries;
    if (first === undefined) return;
    const here = entries.filter((entry) => this.#isHere(entry));
    const problems = await kindOf(first.change)
      .undo(here, this.#tools)
      .catch((error: Error) => here.map(() => error.message));
    const failed = new Set(here.filter((_, i) => problems[i] !== undefined));
    for (const [i, entry] of here.entries()) {
      if (problems[i] === undefined) continue;
      this.#tools.log.warn('a change of this host could not be undone', { reason: problems[i], ...entry.change });
    }
    await this.#journal.markUndone(entries.filter((entry) => !failed.has(entry)));
  }

  /** What was made before a reboot, or in another network namespace, is not here to be undone; files are. */
  #isHere(entry: Entry): boolean {
    if (entry.space === this.#journal.space || entry.change.kind === 'dns') return true;
    this.#tools.log.debug('a change was made in another network namespace: not undone here', { ...entry.change });
    return false;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {}); // The caller of `result` has the error; the next in line starts all the same.
    return result;
  }
}

/**
 * Undoes what a killed process left in a journal. `nothing`: there is no journal. `busy`: its process runs, and nothing was done.
 * `undone`: the host is as before. `left`: something could not be undone (it is in the log, and stays in the journal).
 */
export async function recover(options: HostOptions): Promise<'nothing' | 'busy' | 'undone' | 'left'> {
  if (!existsSync(options.journal)) return 'nothing';
  try {
    const changes = await HostChanges.open(options);
    const left = await changes.undoAll();
    await changes.close();
    return left === 0 ? 'undone' : 'left';
  } catch (error) {
    if (error instanceof HostError && error.code === 'CULVERT_HOST_BUSY') return 'busy';
    throw error;
  }
}

function kindOf(change: HostChange): AnyKind {
  const kinds = {
    address: addressKind,
    link: linkKind,
    route: routeKind,
    rule: ruleKind,
    nft: nftKind,
    sysctl: sysctlKind,
    dns: dnsKind,
  } satisfies Record<HostChange['kind'], unknown>;
  // Each kind meets only its own changes: the discriminant chose it.
  const kind = kinds[change.kind] as unknown as AnyKind | undefined;
  if (kind === undefined) throw new TypeError(`not a kind of change: ${JSON.stringify(change.kind)}`);
  return kind;
}

/** A table that one of `next` replaces as a whole: deleting it first would open a gap. */
function isOverwritten(change: HostChange, next: readonly HostChange[]): boolean {
  return change.kind === 'nft' && next.some((other) => other.kind === 'nft' && other.table === change.table);
}

/** Cuts a list into runs of neighbours of one kind, which one command can make. */
function runsOfOneKind(changes: readonly HostChange[]): HostChange[][];
function runsOfOneKind<T>(items: readonly T[], changeOf: (item: T) => HostChange): T[][];
function runsOfOneKind<T>(items: readonly T[], changeOf = (item: T) => item as unknown as HostChange): T[][] {
  const runs: T[][] = [];
  let kind: string | undefined;
  for (const item of items) {
    if (changeOf(item).kind !== kind) runs.push([]);
    kind = changeOf(item).kind;
    runs.at(-1)?.push(item);
  }
  return runs;
}
