/** What all IKE SAs of an endpoint share: options, outputs, work under way, and the next deadline. */
import type { Instant, Path, Transmit } from '@culvert/base';
import type { Authentication } from '../phase1-proposal.ts';
import { Children } from './children.ts';
import { Deadlines } from './deadlines.ts';
import {
  type DeadPeerDetection,
  defaultDeadPeerDetection,
  defaultLifetimes,
  defaultLimits,
  type IkeEvent,
  type IkeLifetimes,
  type IkeLimits,
  type IkeOptions,
  type IkeWork,
  type IkeWorkResult,
  workDropped,
} from './face.ts';
import { HalfOpen } from './half-open.ts';
import type { IkeSa } from './ike-sa.ts';
import type { KeyExchange, KeyExchangeResult } from './key-exchange.ts';
import { KeyExchangeBudget } from './key-exchange-budget.ts';
import { join } from './keys.ts';

const NON_ESP_MARKER = new Uint8Array(4);
/** What strangers cause is logged so often, and of one address so often, of so many addresses. */
const WARN_PAUSE = 1000;
const WARN_AGAIN = 600_000;
const MOST_WARNED = 256;

type Result = Exclude<IkeWorkResult, typeof workDropped>;
type Done<T> = (result: T, now: Instant) => void;

/** Distributes over the union, which Omit alone does not. */
type WithoutId<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;

export class Context {
  readonly options: IkeOptions;
  readonly limits: IkeLimits;
  readonly lifetimes: IkeLifetimes;
  readonly deadPeerDetection: DeadPeerDetection;
  readonly ports: { readonly ike: number; readonly natTraversal: number };
  readonly transmits: Transmit[] = [];
  readonly events: IkeEvent[] = [];
  readonly work: IkeWork[] = [];
  readonly halfOpen: HalfOpen;
  readonly exchangeBudget: KeyExchangeBudget;
  readonly children: Children;
  readonly stats = {
    malformed: 0,
    unknown: 0,
    duplicates: 0,
    retransmits: 0,
    unauthenticated: 0,
    refused: 0,
    tooMany: 0,
    keepalives: 0,
  };
  /** Closed since the endpoint looked last. */
  readonly ended: IkeSa[] = [];
  /** Of phase 1 SAs. */
  readonly deadlines: Deadlines<IkeSa> = new Deadlines();
  readonly #waiting = new Map<number, { readonly done: Done<Result>; readonly dropped: (detail: string) => void }>();
  #lastId = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  readonly #warned = new Map<string, Instant>();

  constructor(options: IkeOptions) {
    this.options = options;
    this.limits = { ...defaultLimits, ...options.limits };
    this.lifetimes = { ...defaultLifetimes, ...options.lifetimes };
    this.deadPeerDetection = { ...defaultDeadPeerDetection, ...options.deadPeerDetection };
    this.ports = options.ports ?? { ike: 500, natTraversal: 4500 };
    this.halfOpen = new HalfOpen(this.limits);
    this.exchangeBudget = new KeyExchangeBudget(this.limits);
    this.children = new Children(this);
  }

  /** Handed out and not done. */
  get workUnderWay(): number {
    return this.#waiting.size;
  }

  newId(): number {
    return ++this.#lastId;
  }

  /** Which methods of authentication we can do for this peer. */
  authentications(remoteAddress: string): Set<Authentication> {
    const all = new Set<Authentication>();
    if (this.options.presharedKey?.(remoteAddress) !== undefined) all.add('pre-shared-key');
    if (this.options.certificate !== undefined) all.add(this.options.certificate.method);
    return all;
  }

  /** On port 4500 a marker of four zeros tells IKE from ESP (RFC 3948, section 2.2). */
  transmit(datagram: Uint8Array, path: Path): void {
    const marked = path.local.port === this.ports.natTraversal;
    this.transmits.push({ datagram: marked ? join(NON_ESP_MARKER, datagram) : datagram, path });
  }

  keepNatOpen(path: Path): void {
    this.transmits.push({ datagram: Uint8Array.of(0xff), path });
  }

  emit(event: IkeEvent): void {
    this.events.push(event);
  }

  /** One of both is called once, unless the driver forgets. */
  do(work: WithoutId<IkeWork>, done: Done<Result>, dropped: (detail: string) => void): void {
    const id = this.newId();
    this.#waiting.set(id, { done, dropped });
    this.work.push({ ...work, id } as IkeWork);
  }

  /** `done` gets undefined when the peer's value is no member of the group. */
  exchangeKeys(
    request: KeyExchange,
    done: Done<KeyExchangeResult | undefined>,
    dropped: (detail: string) => void,
  ): void {
    const take: Done<Result> = (result, now) => {
      const fits = typeof result === 'object' && 'publicValue' in result;
      done(fits ? result : undefined, now);
    };
    this.do({ kind: 'key-exchange', request }, take, dropped);
  }

  workDone(id: number, result: IkeWorkResult, now: Instant): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (result === workDropped) waiting?.dropped('too much was asked for at a time: this was dropped');
    else waiting?.done(result, now);
  }

  /** Logs what anybody can cause: once an address in a while, and not more often than people can read. */
  warnOfKey(source: string, message: string, now: Instant): void {
    if (now < (this.#warned.get(source) ?? Number.NEGATIVE_INFINITY) + WARN_AGAIN || now < this.#warnedAt + WARN_PAUSE)
      return;
    this.#warnedAt = now;
    this.#warned.delete(source);
    this.#warned.set(source, now);
    const [oldest] = this.#warned.size > MOST_WARNED ? this.#warned.keys() : [];
    if (oldest !== undefined) this.#warned.delete(oldest);
    this.options.logger.warn(message, { remote: source });
  }

  /** A number from 0 (included) to 1 (excluded). */
  draw(): number {
    const [a = 0, b = 0, c = 0] = this.options.random.bytes(3);
    return ((a << 16) | (b << 8) | c) / 0x100_0000;
  }

  /** Its deadline may have come nearer. */
  schedule(sa: IkeSa | undefined): void {
    const at = sa?.deadline();
    if (sa !== undefined && at !== undefined) this.deadlines.set(sa, at);
  }
}
