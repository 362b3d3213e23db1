/** The pairs of ESP SAs that phase 2 made: whose they are, when they get new keys and when they end. */
import type { Instant, Path } from '@culvert/base';
import type { ChildSa } from '../../../child-sa.ts';
import type { Context } from './context.ts';
import { type ChildId, type ChildRequest, type IkeSaId, later } from './face.ts';

/** The initiator asks for new keys when this part of the life is over, or up to a tenth later: not all at one time. */
const SOFT = 0.8;
const JITTER = 0.1;
/** Packets on their way under the old keys still come in for so long after new ones are in use. */
const OVERLAP = 10_000;
/** Of an SA whose peer named no life (RFC 2407, section 4.5.4). */
const DEFAULT_LIFE_SECONDS = 28_800;
/** What the peer may be late with its own rekeying, after which the SA ends. */
const GRACE = 30_000;

export interface Child {
  readonly id: ChildId;
  ikeSa: IkeSaId;
  /** The peer as `IkeSa.owner` says: a later phase 1 of the same peer has its children. */
  readonly owner: string;
  readonly sa: ChildSa;
  /** Ours to rekey. Undefined: the peer made it, and makes the next one. */
  readonly request: ChildRequest | undefined;
  readonly softAt: Instant | undefined;
  readonly softBytes: number;
  readonly hardAt: Instant;
  bytes: number;
  ready: boolean;
  rekeying: boolean;
  /** When rekeying may be tried (again). */
  notBefore: Instant;
  /** When we delete it, because another has taken its place. */
  retireAt: Instant | undefined;
}

export interface NewChild {
  readonly ikeSa: IkeSaId;
  readonly owner: string;
  readonly sa: ChildSa;
  readonly path: Path;
  readonly peerOriginal: string | undefined;
  readonly request: ChildRequest | undefined;
  readonly lifeSeconds: number | undefined;
  readonly lifeKilobytes: number | undefined;
  readonly replaces: ChildId | undefined;
}

export class Children {
  readonly #context: Context;
  readonly #all = new Map<ChildId, Child>();

  constructor(context: Context) {
    this.#context = context;
  }

  create(from: NewChild, now: Instant): Child {
    const life = (from.lifeSeconds || DEFAULT_LIFE_SECONDS) * 1000;
    const { phase2Bytes } = this.#context.lifetimes;
    const most = Math.min(phase2Bytes, from.lifeKilobytes ? from.lifeKilobytes * 1024 : phase2Bytes);
    const part = SOFT + JITTER * this.#context.draw();
    const child: Child = {
      id: this.#context.newId(),
      ikeSa: from.ikeSa,
      owner: from.owner,
      sa: from.sa,
      request: from.request,
      softAt: from.request && later(now, life * part),
      softBytes: most * part,
      hardAt: later(now, life + (from.request ? 0 : GRACE)),
      bytes: 0,
      ready: false,
      rekeying: false,
      notBefore: now,
      retireAt: undefined,
    };
    this.#all.set(child.id, child);
    this.#context.schedule(child.softAt ?? child.hardAt);
    const { sa, path, peerOriginal, replaces } = from;
    this.#context.emit({ kind: 'child-created', ikeSa: from.ikeSa, child: child.id, sa, path, peerOriginal, replaces });
    return child;
  }

  get(id: ChildId): Child | undefined {
    return this.#all.get(id);
  }

  get size(): number {
    return this.#all.size;
  }

  of(ikeSa: IkeSaId): Child[] {
    return [...this.#all.values()].filter((child) => child.ikeSa === ikeSa);
  }

  /** Also those whose phase 1 is gone. */
  ofPeer({ id, owner }: { readonly id: IkeSaId; readonly owner: string }): Child[] {
    return [...this.#all.values()].filter((child) => child.ikeSa === id || child.owner === owner);
  }

  /** The newest of a phase 1 with the same selectors: what a new one replaces. */
  alike(ikeSa: IkeSaId, sa: ChildSa): Child | undefined {
    return this.of(ikeSa).findLast((child) => {
      return sameSelector(child.sa.local, sa.local) && sameSelector(child.sa.remote, sa.remote);
    });
  }

  ready(child: Child): void {
    if (child.ready || !this.#all.has(child.id)) return;
    child.ready = true;
    this.#context.emit({ kind: 'child-ready', child: child.id });
  }

  /** `by`, in its time: the initiator deletes what it replaced. */
  retire(id: ChildId, now: Instant): void {
    const child = this.#all.get(id);
    if (child === undefined) return;
    child.retireAt = later(now, OVERLAP);
    this.#context.schedule(child.retireAt);
  }

  delete(child: Child, by: 'peer' | 'us' | 'expiry'): void {
    if (!this.#all.delete(child.id)) return;
    this.#context.options.releaseSpi?.(child.sa.inbound.spi);
    this.#context.emit({ kind: 'child-deleted', child: child.id, by });
  }

  /** A new phase 1 with the same peer takes over. */
  adopt(from: IkeSaId | undefined, to: { readonly id: IkeSaId; readonly owner: string }): void {
    for (const child of [...this.ofPeer(to), ...(from === undefined ? [] : this.of(from))]) child.ikeSa = to.id;
  }

  /** Calls back for each that wants new keys, and for each that is to be deleted; drops the expired. Returns the next deadline. */
  handleTimeout(now: Instant, rekey: (child: Child) => void, retire: (child: Child) => void): Instant | undefined {
    let next: Instant | undefined;
    for (const child of [...this.#all.values()]) {
      if (now >= child.hardAt) this.delete(child, 'expiry');
      else if (child.retireAt !== undefined && now >= child.retireAt) retire(child);
      else if (wantsKeys(child, now)) rekey(child);
      if (!this.#all.has(child.id)) continue;
      const at = nextOf(child);
      if (next === undefined || at < next) next = at;
    }
    return next;
  }
}

export function wantsKeys(child: Child, now: Instant): boolean {
  if (child.request === undefined || child.rekeying || child.retireAt !== undefined || now < child.notBefore)
    return false;
  return child.bytes >= child.softBytes || (child.softAt !== undefined && now >= child.softAt);
}

function nextOf({ hardAt, retireAt, rekeying, softAt, notBefore }: Child): Instant {
  const soft = softAt === undefined || rekeying || retireAt !== undefined ? hardAt : Math.max(softAt, notBefore);
  return Math.min(hardAt, retireAt ?? hardAt, soft) as Instant;
}

function sameSelector(a: ChildSa['local'], b: ChildSa['local']): boolean {
  return a.network === b.network && a.protocol === b.protocol && a.port === b.port;
}
