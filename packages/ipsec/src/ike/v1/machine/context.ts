/** What all IKE SAs of an endpoint share: options, outputs, work under way, and the next deadline. */
import type { Instant, Path, Transmit } from '@culvert/base';
import type { Authentication } from '../phase1-proposal.ts';
import { Children } from './children.ts';
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
} from './face.ts';
import { HalfOpenCount } from './half-open.ts';
import type { IkeSa } from './ike-sa.ts';
import type { KeyExchange, KeyExchangeResult } from './key-exchange.ts';
import { join } from './keys.ts';

const NON_ESP_MARKER = new Uint8Array(4);

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
  readonly halfOpen: HalfOpenCount;
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
  next: Instant | undefined;
  readonly #waiting = new Map<number, (result: IkeWorkResult, now: Instant) => void>();
  #lastId = 0;

  constructor(options: IkeOptions) {
    this.options = options;
    this.limits = { ...defaultLimits, ...options.limits };
    this.lifetimes = { ...defaultLifetimes, ...options.lifetimes };
    this.deadPeerDetection = { ...defaultDeadPeerDetection, ...options.deadPeerDetection };
    this.ports = options.ports ?? { ike: 500, natTraversal: 4500 };
    this.halfOpen = new HalfOpenCount(this.limits);
    this.children = new Children(this);
  }

  newId(): number {
    return ++this.#lastId;
  }

  /** Which methods of authentication we can do for this peer. */
  authentications(remoteAddress: string): Set<Authentication> {
    const all = new Set<Authentication>();
    if (this.options.presharedKey?.(remoteAddress) !== undefined) all.add('pre-shared-key');
    const key = this.options.certificate?.key;
    if (key !== undefined) all.add(key === 'rsa' ? 'rsa-signature' : key);
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

  /** `done` is called once, unless the driver forgets. */
  do(work: WithoutId<IkeWork>, done: (result: IkeWorkResult, now: Instant) => void): void {
    const id = this.newId();
    this.#waiting.set(id, done);
    this.work.push({ ...work, id } as IkeWork);
  }

  exchangeKeys(request: KeyExchange, done: (result: KeyExchangeResult | undefined, now: Instant) => void): void {
    this.do({ kind: 'key-exchange', request }, (result, now) => {
      const fits = typeof result === 'object' && 'publicValue' in result;
      done(fits ? result : undefined, now);
    });
  }

  workDone(id: number, result: IkeWorkResult, now: Instant): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(result, now);
  }

  /** A number from 0 (included) to 1 (excluded). */
  draw(): number {
    const [a = 0, b = 0, c = 0] = this.options.random.bytes(3);
    return ((a << 16) | (b << 8) | c) / 0x100_0000;
  }

  schedule(at: Instant | undefined): void {
    if (at !== undefined && (this.next === undefined || at < this.next)) this.next = at;
  }
}
