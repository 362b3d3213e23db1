/**
 * What happened in tries to come in and in links that are up, for `culvertd session explain`: what transports tell in their events.
 *
 * Owns three tables, each bounded: tries under way, links that are up (the transports' own limit), and the latest tries that came to
 * nothing. Strangers write here, so every text has a length and a source has its share. Nothing of it goes to the disk.
 */
import { inspect } from 'node:util';
import type { Endpoint, Instant } from '@culvert/base';
import type { Claim, Link, TransportEvent } from '@culvert/core';

export interface Step {
  /** Since the story began. */
  readonly seconds: number;
  readonly what: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What the two ends wanted, where they had nothing in common. */
export interface Offers {
  /** Of IKE; undefined where a protocol has no phases. */
  readonly phase: string | undefined;
  /** In the peer's order. */
  readonly offered: readonly string[];
  readonly accepted: readonly string[];
}

export interface Story {
  /** "a12" for a try that came to nothing; undefined before it did. */
  readonly attempt: string | undefined;
  /** The number that log lines have as `link`. */
  readonly link: number;
  readonly transport: string;
  /** Undefined before the transport has told it. */
  readonly remote: Endpoint | undefined;
  /** Whom the peer says it is, once it does. Not proven. */
  readonly claimed: string | undefined;
  /** ISO 8601. */
  readonly began: string;
  readonly steps: readonly Step[];
  readonly offers: readonly Offers[];
  readonly outcome: 'under way' | 'up' | 'refused' | 'failed';
  /** Why not, where it came to nothing. */
  readonly reason: string | undefined;
}

export interface StoriesOptions {
  readonly now: () => Instant;
  /** ISO 8601. */
  readonly date: () => string;
}

/** Of tries that came to nothing: those of a morning on a quiet gateway. */
const kept = 64;
/** Of them one source's: who tries all the time does not push the others out. */
const keptOfSource = 16;
/** More tries than these at a time are strangers'; the oldest makes room. */
const maxUnderWay = 1_024;
/** The first steps tell how it came up, the last ones what it does now; of those between, what there is room for. */
const firstSteps = 12;
const maxSteps = 32;
/** Characters of all steps of a story. */
const maxStory = 8_192;
/** Of both phases of IKE. */
const maxOffers = 2;
const maxNames = 32;
const maxFields = 8;
const maxText = 300;
const maxName = 80;
/** A refusal of IKE names some thirty suites of algorithms. */
const maxReason = 2_000;

interface Draft extends Story {
  attempt: string | undefined;
  remote: Endpoint | undefined;
  claimed: string | undefined;
  readonly at: Instant;
  readonly steps: Step[];
  readonly offers: Offers[];
  /** Characters of `steps`. */
  size: number;
  outcome: Story['outcome'];
  reason: string | undefined;
}

export class Stories {
  readonly #options: StoriesOptions;
  readonly #underWay = new Map<string, Draft>();
  readonly #up = new Map<string, Draft>();
  readonly #failed: Draft[] = [];
  #attempts = 0;

  constructor(options: StoriesOptions) {
    this.#options = options;
  }

  /** Tries that came to nothing, the latest last. */
  get failed(): readonly Story[] {
    return this.#failed;
  }

  /** Tries that have begun and are not over. */
  get underWay(): readonly Story[] {
    return [...this.#underWay.values()].filter(({ remote }) => remote !== undefined);
  }

  ofLink({ transport, id }: Pick<Link, 'transport' | 'id'>): Story | undefined {
    return this.#up.get(keyOf(transport, id));
  }

  handle(transport: string, event: TransportEvent): void {
    const draft = this.#draftOf(transport, event.id);
    switch (event.kind) {
      case 'attempt':
        draft.remote = event.path.remote;
        break;
      case 'note':
        this.#note(draft, event);
        break;
      case 'trouble':
        this.#step(draft, event.reason, {});
        break;
      case 'rekeyed':
        this.#step(draft, 'new keys', {});
        break;
      case 'roamed':
        draft.remote = event.to.remote;
        this.#step(draft, 'the peer moved', { from: event.from.remote.address, to: event.to.remote.address });
        break;
      case 'refused':
      case 'failed':
        draft.remote = event.path.remote;
        draft.outcome = event.kind;
        draft.reason = (event.kind === 'refused' ? event.reason : event.reason.detail).slice(0, maxReason);
        this.#step(draft, event.kind === 'refused' ? 'refused' : 'came to nothing', {});
        this.#fail(keyOf(transport, event.id), draft);
        break;
    }
  }

  /** A peer shows who it is. */
  handleClaim({ transport, remote, certificate, password, response }: Claim): void {
    const claimed = (certificate?.commonName ?? password?.username ?? response?.username)?.slice(0, maxName);
    let draft: Draft | undefined;
    for (const each of this.#underWay.values()) {
      const isHere = each.remote?.port === remote.port && each.remote.address === remote.address;
      if (isHere && each.transport === transport) draft = each;
    }
    if (draft === undefined || claimed === undefined) return;
    draft.claimed = claimed;
    this.#step(draft, 'asks to come in', { name: claimed });
  }

  /** The link is up; its story ends with it. */
  attach(link: Pick<Link, 'transport' | 'id' | 'path'>): void {
    const key = keyOf(link.transport, link.id);
    const draft = this.#draftOf(link.transport, link.id);
    this.#underWay.delete(key);
    this.#up.set(key, draft);
    draft.remote = link.path.remote;
    draft.outcome = 'up';
    this.#step(draft, 'up', {});
  }

  detach({ transport, id }: Pick<Link, 'transport' | 'id'>): void {
    this.#up.delete(keyOf(transport, id));
  }

  #draftOf(transport: string, id: number): Draft {
    const key = keyOf(transport, id);
    const known = this.#up.get(key) ?? this.#underWay.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.#underWay.keys();
    if (oldest !== undefined && this.#underWay.size >= maxUnderWay) this.#underWay.delete(oldest);
    const draft: Draft = {
      attempt: undefined,
      link: id,
      transport,
      remote: undefined,
      claimed: undefined,
      began: this.#options.date(),
      at: this.#options.now(),
      steps: [],
      offers: [],
      size: 0,
      outcome: 'under way',
      reason: undefined,
    };
    this.#underWay.set(key, draft);
    return draft;
  }

  #note(draft: Draft, { message, fields }: Extract<TransportEvent, { kind: 'note' }>): void {
    const { offered, accepted, ...others } = fields;
    if (Array.isArray(offered) && Array.isArray(accepted)) {
      const phase = others['phase'] === undefined ? undefined : String(others['phase']).slice(0, maxName);
      draft.offers.push({ phase, offered: namesOf(offered), accepted: namesOf(accepted) });
      if (draft.offers.length > maxOffers) draft.offers.shift();
      this.#step(draft, message, others);
    } else this.#step(draft, message, fields);
  }

  #step(draft: Draft, what: string, fields: Readonly<Record<string, unknown>>): void {
    const told = Object.entries(fields).filter(([, value]) => value !== undefined);
    const step: Step = {
      seconds: Math.round(this.#options.now() - draft.at) / 1000,
      what: what.slice(0, maxText),
      fields: Object.fromEntries(
        told.slice(0, maxFields).map(([name, value]) => [name.slice(0, maxName), textOf(value)]),
      ),
    };
    const { steps } = draft;
    steps.push(step);
    draft.size += sizeOf(step);
    while (steps.length > firstSteps + 1 && (steps.length > maxSteps || draft.size > maxStory)) {
      for (const gone of steps.splice(firstSteps, 1)) draft.size -= sizeOf(gone);
    }
  }

  #fail(key: string, draft: Draft): void {
    this.#underWay.delete(key);
    this.#up.delete(key);
    draft.attempt = `a${++this.#attempts}`;
    this.#failed.push(draft);
    const source = draft.remote?.address;
    const ofSource = this.#failed.filter(({ remote }) => remote?.address === source);
    if (ofSource.length > keptOfSource) this.#forget(ofSource[0]);
    else if (this.#failed.length > kept) this.#forget(this.#failed[0]);
  }

  #forget(draft: Draft | undefined): void {
    const at = draft === undefined ? -1 : this.#failed.indexOf(draft);
    if (at >= 0) this.#failed.splice(at, 1);
  }
}

/** Each transport counts for itself. */
function keyOf(transport: string, id: number): string {
  return `${transport} ${id}`;
}

function namesOf(names: readonly unknown[]): string[] {
  const told = names.slice(0, maxNames).map((name) => String(name).slice(0, maxText));
  return names.length > maxNames ? [...told, `and ${names.length - maxNames} more`] : told;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.slice(0, maxNames).join(', ').slice(0, maxText);
  return (typeof value === 'object' ? inspect(value, { breakLength: Infinity }) : String(value)).slice(0, maxText);
}

function sizeOf({ what, fields }: Step): number {
  return Object.entries(fields).reduce((size, [name, text]) => size + name.length + text.length, what.length);
}
