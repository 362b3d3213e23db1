/**
 * What an earlier phase 1 of the same peer left goes to the next one: its children, or with INITIAL-CONTACT their end.
 *
 * A certificate proves whose they are. With a pre-shared key the identity is a claim that everybody who has the key can make, and a neighbour
 * behind the same NAT can make a message come from the claimed one's port. So such a phase 1 gets nothing before something that went to
 * that endpoint alone came back (echo.ts), and only what was shown to be there in the same way and has been heard within the time for which
 * a living peer may be silent. Which of the two ends began either phase 1 says nothing: some servers make the next one of what a client began.
 */
import type { Instant } from '@culvert/base';
import type { Child } from './children.ts';
import type { Context } from './context.ts';
import type { IkeSaId } from './face.ts';
import type { IkeSa } from './ike-sa.ts';
import type { SaTable } from './sa-table.ts';
import { sameRemote } from './same.ts';

/** What is to be done where children change hands. */
type TakeOver = (sa: IkeSa, from: readonly IkeSaId[], now: Instant) => void;

interface Estate {
  readonly sas: readonly IkeSa[];
  /** Their phase 1 is gone. */
  readonly orphans: readonly Child[];
}

export class Succession {
  readonly #context: Context;
  readonly #all: SaTable;
  readonly #takeOver: TakeOver;

  constructor(context: Context, all: SaTable, takeOver: TakeOver) {
    this.#context = context;
    this.#all = all;
    this.#takeOver = takeOver;
  }

  attach(sa: IkeSa): void {
    sa.onHears = (now) => this.#settle(sa, now);
    sa.isClaim = (now) => !sa.settled && !isEmpty(this.#estateFor(sa, now));
  }

  /** Phase 1 stands. */
  handleEstablished(sa: IkeSa, now: Instant): void {
    // Who answered to our nonces hears them.
    if (sa.role === 'initiator') {
      sa.settled = true;
      if (sa.renews !== undefined) this.#adopt(sa, [sa.renews], now);
    } else if (isProven(sa)) this.#settle(sa, now);
    else if (sa.isClaim(now)) sa.askNow(now);
  }

  /** Once, and while it has no child of its own: a peer that starts has none. */
  handleInitialContact(sa: IkeSa, now: Instant): void {
    const { children } = this.#context;
    if (sa.startsAnew || sa.successor !== undefined || children.of(sa.id).some(({ madeBy }) => madeBy === sa.id))
      return;
    sa.startsAnew = true;
    // Since it was shown to hear it may have moved: then this message may only seem to come from where it is.
    if (!sa.settled || !(isProven(sa) || sa.hears)) return;
    for (const child of children.of(sa.id)) children.delete(child, 'peer');
    this.#end(this.#estateFor(sa, now));
  }

  /** It is who it claims to be, as far as its key can prove that. */
  #settle(sa: IkeSa, now: Instant): void {
    if (sa.settled) return;
    sa.settled = true;
    const estate = this.#estateFor(sa, now);
    if (sa.startsAnew) {
      this.#end(estate);
      return;
    }
    const { sas, orphans } = estate;
    this.#adopt(sa, [...new Set([...sas.map(({ id }) => id), ...orphans.map(({ ikeSa }) => ikeSa)])], now);
    for (const other of sas) {
      other.life.supersede(now);
      this.#context.schedule(other);
    }
  }

  #adopt(sa: IkeSa, from: readonly IkeSaId[], now: Instant): void {
    if (from.length === 0) return;
    // What it had may have been another's for a while.
    sa.successor = undefined;
    for (const id of from) {
      const old = this.#all.get(id);
      old?.quickModes.abandon();
      if (old !== undefined) old.successor = sa;
      this.#context.children.adopt(id, sa.id, now);
    }
    this.#takeOver(sa, from, now);
    this.#context.emit({ kind: 'succeeded', ikeSa: sa.id, from });
  }

  /** The peer has just started: what we have of it is of before. */
  #end({ sas, orphans }: Estate): void {
    const { children } = this.#context;
    for (const child of orphans) children.delete(child, 'peer');
    for (const sa of sas) {
      for (const child of children.of(sa.id)) children.delete(child, 'peer');
      sa.close('peer-deleted', 'replaced', 'the peer started anew');
    }
  }

  /** Same claim, same address, same port: two clients behind one NAT differ in the port. */
  #estateFor(sa: IkeSa, now: Instant): Estate {
    const { claim, path } = sa;
    const { idle, interval, questions } = this.#context.deadPeerDetection;
    const since = now - idle - interval * questions;
    const counts = (hears: boolean, heardAt: Instant) => isProven(sa) || (hears && heardAt >= since);
    const sas: IkeSa[] = [];
    // There are many, and few of them at one place: that comes first.
    for (const other of this.#all.values()) {
      if (!sameRemote(other.path, path) || other === sa || other.closed || !other.established) continue;
      if (other.claim === claim && counts(other.hears, other.heardAt)) sas.push(other);
    }
    const orphans = this.#context.children.at(path, now).filter((child) => {
      return child.claim === claim && !this.#all.get(child.ikeSa) && counts(child.hears, child.heardAt);
    });
    return { sas, orphans };
  }
}

function isProven({ keys }: IkeSa): boolean {
  return keys !== undefined && keys.suite.authentication !== 'pre-shared-key';
}

function isEmpty({ sas, orphans }: Estate): boolean {
  return sas.length + orphans.length === 0;
}
