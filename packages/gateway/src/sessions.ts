/**
 * Who is in: one entry for each admitted claim, from admission to release, with its link once that is up.
 *
 * Owns the count of sessions a user, and ends them. An ending session no longer counts, so its successor need not wait for it.
 */
import type { CloseReason, Endpoint } from '@culvert/base';
import type { Link, LinkConfig, Principal } from '@culvert/core';

export interface Session {
  readonly id: number;
  readonly principal: Principal;
  readonly config: LinkConfig;
  readonly transport: string;
  /** Where the peer was when it was admitted. */
  readonly remote: Endpoint;
  /** Undefined until the link is up. */
  readonly link: Link | undefined;
  /** Why it ends; undefined while it goes on. */
  readonly ending: CloseReason | undefined;
  /** Resolves when it is released. */
  readonly over: Promise<void>;
}

interface Entry extends Session {
  link: Link | undefined;
  ending: CloseReason | undefined;
  readonly finish: () => void;
}

interface UserSessions {
  readonly entries: Set<Entry>;
  /** Of `entries`, those that are ending. */
  ending: number;
}

export class Sessions {
  readonly #entries = new Map<Principal, Entry>();
  /** The same by user name: each admission asks for its user's. */
  readonly #byUser = new Map<string, UserSessions>();
  readonly #onEnding: (session: Session, why: CloseReason) => void;
  #lastId = 0;

  /** `onEnding` is told of each session that we end, when its traffic stops; goodbyes may take a moment more. */
  constructor(onEnding: (session: Session, why: CloseReason) => void = () => {}) {
    this.#onEnding = onEnding;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** In the order of admission. */
  [Symbol.iterator](): Iterator<Session> {
    return this.#entries.values();
  }

  /** How many sessions of `user` go on. */
  count(user: string): number {
    const mine = this.#byUser.get(user);
    return mine === undefined ? 0 : mine.entries.size - mine.ending;
  }

  /** Whether a session of `user` is ending. */
  anyEnding(user: string): boolean {
    return (this.#byUser.get(user)?.ending ?? 0) > 0;
  }

  /** Sessions of `user` that go on, the oldest first. */
  of(user: string): Session[] {
    return this.#ofUser(user).filter((entry) => entry.ending === undefined);
  }

  /** Sessions of `user` that say goodbye: they hold their addresses still. */
  endingOf(user: string): Session[] {
    return this.#ofUser(user).filter((entry) => entry.ending !== undefined && entry.link !== undefined);
  }

  add(fields: Pick<Session, 'principal' | 'config' | 'transport' | 'remote'>): Session {
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry: Entry = {
      ...fields,
      id: ++this.#lastId,
      link: undefined,
      ending: undefined,
      over: promise,
      finish: resolve,
    };
    this.#entries.set(fields.principal, entry);
    const { user } = fields.principal;
    const mine = this.#byUser.get(user);
    if (mine === undefined) this.#byUser.set(user, { entries: new Set([entry]), ending: 0 });
    else mine.entries.add(entry);
    return entry;
  }

  /** The link of an admitted session is up. Undefined for a link that no session admitted; it should be closed. */
  attach(link: Link): Session | undefined {
    const entry = this.#entries.get(link.principal);
    if (entry === undefined) return undefined;
    entry.link = link;
    if (entry.ending !== undefined) void link.close(entry.ending);
    return entry;
  }

  /** The session is released: its place is free. */
  remove(session: Session): void {
    const entry = this.#entries.get(session.principal);
    if (entry === undefined) return;
    this.#entries.delete(session.principal);
    const { user } = session.principal;
    const mine = this.#byUser.get(user);
    if (mine?.entries.delete(entry) === true && entry.ending !== undefined) mine.ending--;
    if (mine?.entries.size === 0) this.#byUser.delete(user);
    entry.finish();
  }

  /** Ends the session; one whose link is not up yet ends when it is. */
  end(session: Session, why: CloseReason): void {
    const entry = this.#entries.get(session.principal);
    if (entry === undefined || entry.ending !== undefined) return;
    entry.ending = why;
    const mine = this.#byUser.get(entry.principal.user);
    if (mine !== undefined) mine.ending++;
    this.#onEnding(entry, why);
    void entry.link?.close(why);
  }

  /** Ends the sessions that `which` chooses. Returns them. */
  endAll(which: (session: Session) => boolean, why: CloseReason): Session[] {
    const chosen = [...this.#entries.values()].filter((entry) => entry.ending === undefined && which(entry));
    for (const session of chosen) this.end(session, why);
    return chosen;
  }

  #ofUser(user: string): Entry[] {
    return [...(this.#byUser.get(user)?.entries ?? [])];
  }
}
