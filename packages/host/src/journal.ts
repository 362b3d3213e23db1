/**
 * The journal of host changes: one file, lines of JSON, each on the disk before the change that it tells of is made.
 *
 * Owns who may write it. A process claims the file by appending a line with its pid and start time; the earliest claim whose
 * process lives is the owner's. So two that start together cannot both undo, and a killed one's file is taken over.
 * A line that kill -9 cut short is the last one, and its change was never made: it is ignored.
 */
import { randomUUID } from 'node:crypto';
import { constants, fstatSync, statSync, unlinkSync } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostChange } from './change.ts';
import { HostError } from './errors.ts';
import { isAlive, networkSpace, ownIdentity, type ProcessIdentity, processesHolding } from './process.ts';

/** A change that was, or was about to be, made. */
export interface Entry {
  readonly id: number;
  readonly change: HostChange;
  readonly before: unknown;
  /** The boot and network namespace in which it was made. */
  readonly space: string;
}

interface Claim extends ProcessIdentity {
  readonly nonce: string;
}

type Line =
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'withdrawn'; readonly nonce: string }
  | { readonly kind: 'change'; readonly entry: Entry }
  | { readonly kind: 'undone'; readonly ids: readonly number[] };

/** How long a tool that outlived its killed parent may still run before the recovery gives up waiting. */
const ORPHAN_WAIT_MS = 10_000;
/** How a claim's line begins. */
const CLAIM = '{"kind":"claim"';

export class Journal {
  readonly path: string;
  readonly space = networkSpace();
  readonly #file: FileHandle;
  readonly #pending: Map<number, Entry>;
  #nextId: number;

  private constructor(path: string, file: FileHandle, pending: Map<number, Entry>, nextId: number) {
    this.path = path;
    this.#file = file;
    this.#pending = pending;
    this.#nextId = nextId;
  }

  /**
   * Claims the journal at `path`, making it and its directory where they are missing.
   * Throws HostError: CULVERT_HOST_BUSY when a living process has it, CULVERT_HOST_JOURNAL when the file is not to be trusted.
   */
  static async open(path: string): Promise<Journal> {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    for (;;) {
      const file = await openTrusted(path);
      const claim: Claim = { ...ownIdentity(), nonce: randomUUID() };
      await append(file, [{ kind: 'claim', claim }]);
      const lines = await readLines(file, path);
      if (!isSameFile(file, path)) {
        await file.close(); // Its owner closed it just now: the next try makes a new one.
        continue;
      }
      const owner = ownerOf(lines);
      if (owner?.nonce === claim.nonce) return Journal.#take(path, file, lines);
      await append(file, [{ kind: 'withdrawn', nonce: claim.nonce }]);
      await file.close();
      throw new HostError('CULVERT_HOST_BUSY', `process ${owner?.pid} (${path})`);
    }
  }

  static async #take(path: string, file: FileHandle, lines: readonly Line[]): Promise<Journal> {
    const pending = new Map<number, Entry>();
    let nextId = 1;
    for (const line of lines) {
      if (line.kind === 'undone') for (const id of line.ids) pending.delete(id);
      if (line.kind !== 'change') continue;
      pending.set(line.entry.id, line.entry);
      nextId = Math.max(nextId, line.entry.id + 1);
    }
    if (pending.size > 0) await orphansGone(path);
    return new Journal(path, file, pending, nextId);
  }

  /** For the tools to inherit. */
  get fd(): number {
    return this.#file.fd;
  }

  /** What is not undone yet, oldest first. */
  get pending(): readonly Entry[] {
    return [...this.#pending.values()];
  }

  /** Writes down changes that are about to be made; resolves when they are on the disk. */
  async add(steps: readonly { readonly change: HostChange; readonly before: unknown }[]): Promise<readonly Entry[]> {
    const entries = steps.map(({ change, before }) => ({ id: this.#nextId++, change, before, space: this.space }));
    await append(
      this.#file,
      entries.map((entry) => ({ kind: 'change', entry })),
    );
    for (const entry of entries) this.#pending.set(entry.id, entry);
    return entries;
  }

  async markUndone(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    await append(this.#file, [{ kind: 'undone', ids: entries.map(({ id }) => id) }]);
    for (const { id } of entries) this.#pending.delete(id);
  }

  /** Gives the journal up. The file goes, unless something in it waits to be undone. */
  async close(): Promise<void> {
    if (this.#pending.size === 0 && isSameFile(this.#file, this.path)) unlinkSync(this.path);
    await this.#file.close();
  }
}

/** The journal is replayed with our privileges: only what we, or root, wrote is believed. */
async function openTrusted(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
    file = await open(path, flags, 0o600);
  } catch (cause) {
    throw new HostError('CULVERT_HOST_JOURNAL', path, { cause });
  }
  const { uid, mode } = await file.stat();
  if ((uid === 0 || uid === process.getuid?.()) && (mode & 0o022) === 0) return file;
  await file.close();
  throw new HostError('CULVERT_HOST_JOURNAL', `${path} belongs to user ${uid} or others may write to it; delete it`);
}

async function append(file: FileHandle, lines: readonly Line[]): Promise<void> {
  await file.appendFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await file.sync();
}

async function readLines(file: FileHandle, path: string): Promise<Line[]> {
  const { size } = await file.stat();
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0);
  const texts = buffer.subarray(0, bytesRead).toString().split('\n');
  return texts.filter((text) => text !== '').map((text) => parseLine(text, path));
}

/** A killed writer's torn line has the next claim appended to it: then that claim is what the line says. */
function parseLine(text: string, path: string): Line {
  const torn = text.lastIndexOf(CLAIM);
  try {
    return JSON.parse(text.slice(Math.max(0, torn))) as Line;
  } catch (cause) {
    throw new HostError('CULVERT_HOST_JOURNAL', `${path} is damaged; delete it`, { cause });
  }
}

function ownerOf(lines: readonly Line[]): Claim | undefined {
  const withdrawn = new Set(lines.flatMap((line) => (line.kind === 'withdrawn' ? [line.nonce] : [])));
  const claims = lines.flatMap((line) => (line.kind === 'claim' ? [line.claim] : []));
  return claims.find((claim) => !withdrawn.has(claim.nonce) && isAlive(claim));
}

function isSameFile(file: FileHandle, path: string): boolean {
  const ours = fstatSync(file.fd);
  const there = statSync(path, { throwIfNoEntry: false });
  return there?.ino === ours.ino && there.dev === ours.dev;
}

/** A tool may have outlived its killed parent: what it still does must come before what we undo. */
async function orphansGone(path: string): Promise<void> {
  const deadline = Date.now() + ORPHAN_WAIT_MS;
  while (processesHolding(path).length > 0) {
    if (Date.now() > deadline)
      throw new HostError('CULVERT_HOST_BUSY', `a tool that was left over still runs (${path})`);
    await delay(10);
  }
}
