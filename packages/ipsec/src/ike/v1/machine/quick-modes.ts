/** The quick modes of one phase 1, by message id. Windows counts them from 1, so an id says nothing outside of its phase 1. */
import type { Instant, Path } from '@culvert/base';
import { Flag, type Message } from '../message.ts';
import type { ChildId, ChildRequest, IkeFailure } from './face.ts';
import type { IkeSa } from './ike-sa.ts';
import { QuickModeInitiator } from './quick-mode-initiator.ts';
import { QuickModeResponder } from './quick-mode-responder.ts';

/** Ids that one phase 1 may use: a rekey every two seconds for eight hours. A captured first message makes no second SA. */
const MOST_IDS = 16_384;
/** How long the answer to a repeated message is kept. */
export const KEPT = 60_000;

export interface QuickMode {
  /** Throws WireError. */
  handle(message: Message, digest: string, path: Path, now: Instant): void;
  handleTimeout(now: Instant): void;
  close(): void;
  readonly deadline: Instant;
  /** Waits for the peer: counts against the limit. */
  readonly pending: boolean;
  readonly over: boolean;
  /** Its message id is used up. */
  readonly authenticated: boolean;
}

export class QuickModes {
  readonly #sa: IkeSa;
  readonly #live = new Map<number, QuickMode>();
  readonly #used = new Set<number>();

  constructor(sa: IkeSa) {
    this.#sa = sa;
  }

  knows(messageId: number): boolean {
    return this.#used.has(messageId);
  }

  /** Ask for a child. It waits for phase 1 by its caller. */
  start(request: ChildRequest, replaces: ChildId | undefined, now: Instant): void {
    const messageId = this.#sa.newMessageId();
    this.#used.add(messageId);
    this.#live.set(messageId, new QuickModeInitiator(this.#sa, { messageId, request, replaces, now }));
  }

  handle(message: Message, digest: string, path: Path, now: Instant): void {
    const { context, established } = this.#sa;
    if (!established || (message.flags & Flag.encrypted) === 0 || message.messageId === 0) {
      context.stats.unauthenticated++;
      return;
    }
    const live = this.#live.get(message.messageId);
    if (live !== undefined) {
      live.handle(message, digest, path, now);
      return;
    }
    if (this.#used.has(message.messageId)) {
      context.stats.duplicates++;
      return;
    }
    const pending = [...this.#live.values()].filter((mode) => mode.pending).length;
    if (pending >= context.limits.quickModes || this.#used.size >= MOST_IDS) {
      context.stats.tooMany++;
      return;
    }
    const mode = new QuickModeResponder(this.#sa, message.messageId, now);
    try {
      mode.handle(message, digest, path, now);
    } finally {
      // Also of a message that makes no sense: it could be replayed otherwise.
      if (mode.authenticated) this.#used.add(message.messageId);
    }
    if (!mode.over) this.#live.set(message.messageId, mode);
  }

  /** The peer refused: which one it does not say. */
  refuse(code: IkeFailure, detail: string): void {
    for (const mode of this.#live.values())
      if (mode instanceof QuickModeInitiator && mode.pending) mode.refuse(code, detail);
  }

  /** Another phase 1 has what these were to renew. */
  abandon(): void {
    for (const mode of this.#live.values()) if (mode instanceof QuickModeInitiator && mode.pending) mode.close();
  }

  handleTimeout(now: Instant): void {
    for (const [id, mode] of this.#live) {
      if (!mode.over && now >= mode.deadline) mode.handleTimeout(now);
      if (mode.over) this.#live.delete(id);
    }
  }

  deadline(): Instant | undefined {
    let next: Instant | undefined;
    for (const { deadline } of this.#live.values()) if (next === undefined || deadline < next) next = deadline;
    return next;
  }

  close(): void {
    for (const mode of this.#live.values()) mode.close();
    this.#live.clear();
  }
}
