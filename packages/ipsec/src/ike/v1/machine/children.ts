/** The pairs of ESP SAs that phase 2 made: whose they are, when they get new keys and when they end. */
import type { Instant, Path } from '@culvert/base';
import { type ChildSa, coversTraffic, isSameTraffic } from '../../../child-sa.ts';
import { type Lifetimes, shorterOf } from '../attributes.ts';
import type { Context } from './context.ts';
import { Deadlines } from './deadlines.ts';
import { type ChildId, type ChildRequest, type IkeLifetimes, type IkeSaId, later } from './face.ts';
import { sameRemote } from './same.ts';

/** The initiator asks for new keys when this part of the life is over, or up to a tenth later: not all at one time. */
const SOFT = 0.8;
const JITTER = 0.1;
/** Packets on their way under the old keys still come in for so long after new ones are in use. */
const OVERLAP = 10_000;
/**
 * strongSwan, for one, can receive by new keys once it has seen the third message: what we sent by them right behind that would be lost.
 * So a replaced pair sends on until the peer is seen to have the new one, or for so long.
 */
const SETTLE = 1000;
/** Of an SA whose peer named no life (RFC 2407, section 4.5.4). */
const DEFAULT_LIFE_SECONDS = 28_800;
/** What the peer may be late with its own rekeying, after which the SA ends. */
const GRACE = 30_000;
/** One that its peer asked for, and did not confirm by its last message or by ESP, ends after so long: another could be made by then. */
const CONFIRM = 60_000;
/**
 * The hard limit by bytes, each way, over what the peers agreed on: a fast link carries a small life in a second or two, in which the next
 * keys are still under way.
 */
const GRACE_BYTES = 2;
/** A peer that asks for less gets this: its new keys would cost more than its packets. */
const LEAST_KILOBYTES = 1024;
/** By blocks of eight bytes some two will be the same long before 2^32 of them (Sweet32): a chance of 2^-11 is left. */
const MOST_KILOBYTES_OF_3DES = 2 ** 20;
/** What its user does with a conversation whose last child was deleted: it may go on for so long. */
const LATE = 3000;
const MOST_LATE = 1024;
/** Earlier phase 1 that a child knows of: a peer deletes an old one soon after it has the next. */
const MOST_FORMER = 4;

export interface Child {
  readonly id: ChildId;
  ikeSa: IkeSaId;
  /** The phase 1 that made it. */
  readonly madeBy: IkeSaId;
  /** The peer as `IkeSa.claim` says: a later phase 1 of the same peer may have its children. */
  readonly claim: string;
  /** Where the peer is. */
  path: Path;
  /** The peer was shown to hear there. */
  hears: boolean;
  heardAt: Instant;
  readonly sa: ChildSa;
  /** Ours to rekey. Undefined: the peer made it, and makes the next one. */
  readonly request: ChildRequest | undefined;
  /** It, or the first whose place it took, was asked for by us. */
  readonly isDialled: boolean;
  readonly softAt: Instant | undefined;
  readonly softBytes: number;
  readonly hardAt: Instant;
  /** Of either way. No limit where its peer named none and the cipher needs none. */
  readonly hardBytes: number;
  received: number;
  sent: number;
  ready: boolean;
  /** The one whose place it takes. */
  readonly replaces: ChildId | undefined;
  /** When it is ready without a sign of the peer. */
  readyAt: Instant | undefined;
  /** When it ends if it is not ready. */
  readonly confirmBy: Instant;
  rekeying: boolean;
  /** Its sequence numbers run out. */
  worn: boolean;
  /** When rekeying may be tried (again). */
  notBefore: Instant;
  /** When we delete it, because another has taken its place. */
  retireAt: Instant | undefined;
  /** The newest of the phase 1 that had it before. */
  readonly former: IkeSaId[];
}

export interface NewChild {
  readonly ikeSa: IkeSaId;
  readonly claim: string;
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
  readonly #deadlines = new Deadlines<Child>();
  readonly #all = new Map<ChildId, Child>();
  readonly #late: { readonly child: Child; readonly until: Instant }[] = [];
  readonly #byIkeSa = new Groups<IkeSaId>();
  /** Those that a later phase 1 has, by the earlier ones that had them: they may still delete them. */
  readonly #byFormer = new Groups<IkeSaId>();

  constructor(context: Context) {
    this.#context = context;
  }

  create(from: NewChild, now: Instant): Child {
    const { lifetimes } = this.#context;
    const life = Math.min(from.lifeSeconds || DEFAULT_LIFE_SECONDS, lifetimes.mostSeconds) * 1000;
    const agreed = mostBytes(from);
    const part = SOFT + JITTER * this.#context.draw();
    const replaced =
      this.#all.get(from.replaces ?? 0) ?? this.#late.find((late) => late.child.id === from.replaces)?.child;
    const child: Child = {
      id: this.#context.newId(),
      ikeSa: from.ikeSa,
      madeBy: from.ikeSa,
      claim: from.claim,
      path: from.path,
      hears: false,
      heardAt: now,
      former: [],
      sa: from.sa,
      request: from.request,
      isDialled: from.request !== undefined || (replaced?.isDialled ?? false),
      softAt: from.request && later(now, life * part),
      softBytes: Math.min(lifetimes.phase2Bytes, agreed) * part,
      hardAt: later(now, life + (from.request ? 0 : GRACE)),
      hardBytes: agreed * GRACE_BYTES,
      received: 0,
      sent: 0,
      ready: false,
      replaces: from.replaces,
      readyAt: undefined,
      confirmBy: later(now, CONFIRM),
      rekeying: false,
      worn: false,
      notBefore: now,
      retireAt: undefined,
    };
    this.#all.set(child.id, child);
    this.#byIkeSa.add(child.ikeSa, child);
    this.#schedule(child);
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
    return this.#byIkeSa.of(ikeSa);
  }

  /** Whose peer is there; also those that were deleted just now: some peers do that before they make new ones. */
  at(path: Path, now: Instant): Child[] {
    const there: Child[] = [];
    for (const child of this.#all.values()) if (sameRemote(child.path, path)) there.push(child);
    for (const { child, until } of this.#late) if (until > now && sameRemote(child.path, path)) there.push(child);
    return there;
  }

  /** Also those that it had and a later phase 1 has now. */
  everOf(ikeSa: IkeSaId): Child[] {
    return [...this.#byIkeSa.of(ikeSa), ...this.#byFormer.of(ikeSa)];
  }

  /**
   * The newest of a phase 1 for the same packets: what a new one replaces. Peers behind one NAT differ in their phase 1. Some servers make
   * the next pair of what we dialled by their own wider selectors (any port of ours, any protocol): that is the same conversation,
   * also where they delete the old one first.
   */
  alike(ikeSa: IkeSaId, sa: ChildSa, now: Instant): Child | undefined {
    const all = this.of(ikeSa);
    const isWithin = (child: Child) => child.isDialled && coversTraffic(sa, child.sa);
    return (
      all.findLast((child) => isSameTraffic(child.sa, sa)) ??
      all.findLast(isWithin) ??
      this.#late.findLast(({ child, until }) => until > now && child.ikeSa === ikeSa && isWithin(child))?.child
    );
  }

  ready(child: Child): void {
    if (child.ready || !this.#all.has(child.id)) return;
    child.ready = true;
    child.readyAt = undefined;
    this.#context.emit({ kind: 'child-ready', child: child.id });
  }

  /** Once packets come by it; soon also without, since the peer may have none to send. */
  readyByTraffic(child: Child, now: Instant): void {
    child.readyAt = later(now, SETTLE);
    this.#schedule(child);
  }

  /** `by`, in its time: the initiator deletes what it replaced. */
  retire(id: ChildId, now: Instant): void {
    const child = this.#all.get(id);
    if (child === undefined) return;
    child.retireAt = later(now, OVERLAP);
    this.#schedule(child);
  }

  delete(child: Child, by: 'peer' | 'us' | 'expiry'): void {
    if (!this.#all.delete(child.id)) return;
    this.#deadlines.delete(child);
    this.#byIkeSa.delete(child.ikeSa, child);
    for (const id of child.former) this.#byFormer.delete(id, child);
    this.#context.options.releaseSpi?.(child.sa.inbound.spi);
    this.#context.emit({ kind: 'child-deleted', child: child.id, by });
    for (const next of this.of(child.ikeSa))
      if (next.replaces === child.id && next.readyAt !== undefined) this.ready(next);
  }

  /** Its peer deletes it, and may be about to make one in its place. */
  deleteLate(child: Child, now: Instant): void {
    child.heardAt = now;
    while (this.#late[0] !== undefined && this.#late[0].until <= now) this.#late.shift();
    this.#late.push({ child, until: later(now, LATE) });
    if (this.#late.length > MOST_LATE) this.#late.shift();
    this.delete(child, 'peer');
  }

  /** A new phase 1 with the same peer takes over. What wanted new keys in vain gets them by this one. */
  adopt(from: IkeSaId, to: IkeSaId, now: Instant): void {
    for (const child of this.of(from)) {
      this.#byIkeSa.delete(from, child);
      child.ikeSa = to;
      this.#byIkeSa.add(to, child);
      child.former.push(from);
      child.notBefore = now;
      this.#schedule(child);
      this.#byFormer.add(from, child);
      const oldest = child.former.length > MOST_FORMER ? child.former.shift() : undefined;
      if (oldest !== undefined) this.#byFormer.delete(oldest, child);
    }
  }

  /** Their phase 1 ended, which heard of their peer, too. */
  orphan(ikeSa: IkeSaId, heardAt: Instant): void {
    for (const child of this.of(ikeSa)) child.heardAt = Math.max(child.heardAt, heardAt) as Instant;
  }

  /** The peer of these is at `path`, and was shown to hear there or not. */
  place(ikeSa: IkeSaId, path: Path, hears: boolean): void {
    for (const child of this.of(ikeSa)) {
      child.path = path;
      child.hears = hears;
    }
  }

  /** Its sequence numbers run out. */
  wear(child: Child): void {
    child.worn = true;
    this.#schedule(child);
  }

  /** The one that was to take its place came to nothing. */
  keep(id: ChildId): void {
    const child = this.#all.get(id);
    if (child === undefined) return;
    child.rekeying = false;
    this.#schedule(child);
  }

  get nextDeadline(): Instant | undefined {
    return this.#deadlines.next;
  }

  /** Calls back for each that wants new keys, and for each that is to be deleted. */
  handleTimeout(
    now: Instant,
    rekey: (child: Child) => void,
    retire: (child: Child, by: 'us' | 'expiry') => void,
  ): void {
    for (const child of this.#deadlines.take(now)) {
      if (!this.#all.has(child.id)) continue;
      if (child.readyAt !== undefined && now >= child.readyAt) this.ready(child);
      if (now >= child.hardAt || (!child.ready && now >= child.confirmBy)) retire(child, 'expiry');
      else if (child.retireAt !== undefined && now >= child.retireAt) retire(child, 'us');
      else if (wantsKeys(child, now)) rekey(child);
      if (this.#all.has(child.id)) this.#schedule(child);
    }
  }

  #schedule(child: Child): void {
    this.#deadlines.set(child, nextOf(child));
  }
}

/** Whatever became of its new keys, it has carried what it may. */
export function isSpent({ received, sent, hardBytes }: Child): boolean {
  return received >= hardBytes || sent >= hardBytes;
}

/** What may go by one pair of keys. */
function mostBytes({ lifeKilobytes, sa }: NewChild): number {
  const most = sa.algorithms.encryption === '3des-cbc' ? MOST_KILOBYTES_OF_3DES : undefined;
  const { kilobytes } = shorterOf(
    { seconds: undefined, kilobytes: lifeKilobytes },
    { seconds: undefined, kilobytes: most },
  );
  return kilobytes === undefined ? Infinity : Math.max(kilobytes, LEAST_KILOBYTES) * 1024;
}

/** What we keep of a life that a peer asks for, where that is less: RESPONDER-LIFETIME tells it. */
export function lessThanAsked(
  { seconds, kilobytes }: Lifetimes,
  { encryption }: ChildSa['algorithms'],
  { mostSeconds }: IkeLifetimes,
): Lifetimes | undefined {
  const most = encryption === '3des-cbc' ? MOST_KILOBYTES_OF_3DES : Infinity;
  const less = {
    seconds: (seconds ?? 0) > mostSeconds ? mostSeconds : undefined,
    kilobytes: (kilobytes || Infinity) > most ? most : undefined,
  };
  return less.seconds === undefined && less.kilobytes === undefined ? undefined : less;
}

export function wantsKeys(child: Child, now: Instant): boolean {
  if (child.request === undefined || child.rekeying || child.retireAt !== undefined || now < child.notBefore)
    return false;
  return (
    child.worn || child.received + child.sent >= child.softBytes || (child.softAt !== undefined && now >= child.softAt)
  );
}

function nextOf({ hardAt, retireAt, ready, readyAt, confirmBy, rekeying, worn, softAt, notBefore }: Child): Instant {
  const waits = softAt === undefined || rekeying || retireAt !== undefined;
  const soft = waits ? hardAt : Math.max(worn ? notBefore : softAt, notBefore);
  return Math.min(hardAt, retireAt ?? hardAt, readyAt ?? hardAt, ready ? hardAt : confirmBy, soft) as Instant;
}

/** Children by what they have in common, in the order in which they came. */
class Groups<Key> {
  readonly #groups = new Map<Key, Set<Child>>();

  of(key: Key): Child[] {
    return [...(this.#groups.get(key) ?? [])];
  }

  add(key: Key, child: Child): void {
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, new Set([child]));
    else group.add(child);
  }

  delete(key: Key, child: Child): void {
    const group = this.#groups.get(key);
    group?.delete(child);
    if (group?.size === 0) this.#groups.delete(key);
  }
}
