/** An endpoint under test, the peer that brings it to a state, and a driver that holds it to what it may do. */
import type { Instant, Path } from '@culvert/base';
import { IkeEndpoint, type IkeEvent, type IkeWork, type IkeWorkResult } from '@culvert/ipsec';
import { nullLogger, type SeededRandom, seededRandom } from '@culvert/testkit';
import { PEER, PRESHARED_KEY, SUBJECT, type Variant } from './bodies.ts';
import { exchanged } from './exchange.ts';
import { Peer, standIn } from './peer.ts';

/**
 * responder: `first` a record of the first message, `keys` main mode has keys, `established` phase 1 stands, `quick` our answer is out,
 * `up` a child, `gone` the peer deleted phase 1. initiator: `asked`, `exchanged`, `identified` after each message of ours; `quick` our
 * question is out, `rekeying` a second one while a child stands.
 */
export const states = {
  responder: ['stranger', 'first', 'keys', 'established', 'quick', 'up', 'gone'],
  initiator: ['asked', 'exchanged', 'identified', 'quick', 'up', 'rekeying', 'gone'],
} as const;
export type State = (typeof states)[Variant['role']][number];

/** Datagrams that one call may leave behind: fragments, deletes of all children, what is said again. */
const MOST_DATAGRAMS = 24;
const MOST_CALLS = 4_000;
/** One negotiation after another has hundreds of bytes; a certificate of forty does not change that. */
const LONGEST = 1_300;
const NON_ESP = new Uint8Array(4);
/** Endpoints draw from so few seeds that key exchanges come again, and are looked up. */
const SEEDS = 64;

export class World {
  readonly subject: IkeEndpoint;
  readonly peer: Peer;
  now = 1_000_000 as Instant;
  /** It sent, said or asked for something since `quiet` was called: its state may be another. */
  touched = false;
  /** Where the peer is to the subject. */
  readonly variant: Variant;
  readonly #spis = new Set<number>();
  readonly #closed = new Set<number>();
  readonly #children = new Map<number, 'created' | 'ready' | 'deleted'>();
  #lastSpi = 0x1000;
  #ikeSa = 0;
  #held: IkeWork[] = [];
  #worked = 0;
  /** Work waits for the next datagram, as it does in a thread. */
  hold = false;
  natPort = false;
  /** Nobody has shown yet that it gets what is sent to it. */
  isStranger = false;

  constructor(variant: Variant, seed: number) {
    this.variant = variant;
    const random: SeededRandom = seededRandom(seed);
    this.peer = new Peer(variant, random);
    const signs = variant.authentication !== 'pre-shared-key';
    this.subject = new IkeEndpoint({
      random: seededRandom(seed % SEEDS),
      logger: nullLogger,
      presharedKey: signs ? undefined : () => PRESHARED_KEY,
      certificate: signs
        ? {
            chain: [new Uint8Array(60)],
            method: 'ecdsa-256',
            subject: Uint8Array.of(0x30, 0),
            authorities: [Uint8Array.of(0x30, 0)],
          }
        : undefined,
      allocateSpi: () => {
        this.#spis.add(++this.#lastSpi);
        return this.#lastSpi;
      },
      releaseSpi: (spi) => {
        if (!this.#spis.delete(spi)) throw new Error('an SPI is released twice');
      },
      ...(variant.tunnel ? { acceptSelectors: () => true } : {}),
      limits: { unproven: 16, unprovenPerSource: 8, halfOpen: 4, halfOpenPerSource: 2, failures: 1_000 },
    });
  }

  get ikeSa(): number {
    return this.#ikeSa;
  }

  /** The newest that stands. */
  get child(): number {
    return [...this.#children].findLast(([, is]) => is !== 'deleted')?.[0] ?? 0;
  }

  // In.

  /** From the peer, or from `address`. */
  hit(datagram: Uint8Array, address: string = PEER): Uint8Array[] {
    const path = this.path(address);
    const marked = this.natPort ? Buffer.concat([NON_ESP, datagram]) : datagram;
    this.subject.handleDatagram(marked, path, this.now);
    const answers = this.drain(address);
    const bytes = answers.reduce((sum, { length }) => sum + length, 0);
    if (this.isStranger && bytes > datagram.length)
      throw new Error(`${bytes} bytes for the ${datagram.length} of a stranger`);
    return answers;
  }

  path(address: string = PEER): Path {
    const port = this.natPort ? 4_500 : 500;
    return { socket: port, local: { address: SUBJECT, port }, remote: { address, port } };
  }

  /** What nobody may be answered who did not show that it gets our answers. */
  asStranger(datagram: Uint8Array, address: string): void {
    this.settle();
    const before = { ikeSas: this.subject.sizes.ikeSas, stranger: this.isStranger };
    const worked = this.#worked;
    this.isStranger = true;
    this.hit(datagram, address);
    this.isStranger = before.stranger;
    if (this.#worked > worked) throw new Error('work for a stranger');
    if (this.subject.sizes.ikeSas > before.ikeSas) throw new Error('a phase 1 for a stranger');
  }

  /** Work that waits is done, so that what comes now is the answer to what comes next. */
  settle(): void {
    this.hold = false;
    this.drain(PEER);
  }

  connect(): Uint8Array[] {
    const port = 500;
    const path = { socket: port, local: { address: SUBJECT, port }, remote: { address: PEER, port } };
    const natPath = { socket: 4_500, local: { address: SUBJECT, port: 4_500 }, remote: { address: PEER, port: 4_500 } };
    const { tunnel, pfs, authentication } = this.variant;
    const side = (network: string) => ({ network, protocol: tunnel ? 0 : 17, port: tunnel ? 0 : 1701 });
    const child = {
      mode: tunnel ? 'tunnel' : 'transport',
      local: side(tunnel ? '10.1.0.0/24' : `${SUBJECT}/32`),
      remote: side(tunnel ? '10.2.0.0/24' : `${PEER}/32`),
      group: pfs ? 'ecp256' : undefined,
    } as const;
    const by = authentication === 'pre-shared-key' ? authentication : 'certificate';
    this.#ikeSa = this.subject.connect({ path, natPath, authentication: by, child }, this.now);
    return this.drain(PEER);
  }

  // Out.

  /** Does the work, checks events, and returns what was sent, without markers. All of it goes to `address`, or to the peer. */
  drain(address: string): Uint8Array[] {
    this.#work();
    const datagrams: Uint8Array[] = [];
    for (let t = this.subject.pollTransmit(); t !== undefined; t = this.subject.pollTransmit()) {
      if (datagrams.length > MOST_DATAGRAMS) throw new Error('it answers with a flood');
      const marked = t.path.local.port === 4_500;
      if (t.datagram.length > LONGEST) throw new Error(`it says ${t.datagram.length} bytes`);
      const to = t.path.remote.address;
      if (to !== address && to !== PEER) throw new Error(`${to} gets an answer to ${address}`);
      if (t.datagram.length === 1 && t.datagram[0] === 0xff) continue;
      datagrams.push(marked ? t.datagram.subarray(4) : t.datagram);
      this.touched = true;
    }
    for (let e = this.subject.pollEvent(); e !== undefined; e = this.subject.pollEvent()) this.#check(e);
    return datagrams;
  }

  /** What was given before and is still under way comes to its end. */
  #work(): void {
    const due = this.#held;
    this.#held = [];
    for (const work of due) this.subject.handleWorkDone(work.id, done(work), this.now);
    for (let turns = 0; ; turns++) {
      const work = this.subject.pollWork();
      if (work === undefined) return;
      this.touched = true;
      this.#worked++;
      if (turns > 8) throw new Error('it asks for ever more work');
      if (this.hold) this.#held.push(work);
      else this.subject.handleWorkDone(work.id, done(work), this.now);
    }
  }

  /** A driver's clock: every deadline, for so long. */
  pass(time: number): void {
    const end = (this.now + time) as Instant;
    for (let calls = 0; ; calls++) {
      if (calls > MOST_CALLS) throw new Error('it asks for ever more calls');
      const at = this.subject.pollTimeout();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at) as Instant;
      this.subject.handleTimeout(this.now);
      this.drain(PEER);
      const next = this.subject.pollTimeout();
      if (next !== undefined && next <= this.now) throw new Error('a deadline stays in the past');
    }
    this.now = end;
  }

  /** Nothing that is bounded is over its bound. */
  bounds(): void {
    const { firstMessages, ikeSas, children } = this.subject.sizes;
    if (firstMessages > 16 || ikeSas > 8 || children > 40) throw new Error(`${firstMessages}, ${ikeSas}, ${children}`);
    // One that is asked for waits in its quick mode.
    if (this.#spis.size > children + 10) throw new Error(`${this.#spis.size} SPIs for ${children} children`);
  }

  /** The peer falls silent, and the operator closes what is left: nothing may remain. */
  end(): void {
    this.hold = false;
    this.pass(600_000);
    for (const [child, is] of this.#children) if (is !== 'deleted') this.subject.closeChild(child);
    for (let id = 0; id < 400; id++) this.subject.close(id);
    this.drain(PEER);
    this.pass(60_000);
    const { firstMessages, ikeSas, children } = this.subject.sizes;
    if (firstMessages + ikeSas + children > 0) throw new Error(`left behind: ${firstMessages}, ${ikeSas}, ${children}`);
    if (this.#spis.size > 0) throw new Error(`${this.#spis.size} SPIs are not released`);
    if (this.subject.pollTimeout() !== undefined) throw new Error('an endpoint without SAs waits for something');
  }

  /** What only the holder of the keys may bring about: how often it was. */
  get proven(): number {
    return this.#proven;
  }
  #proven = 0;

  #check(event: IkeEvent): void {
    this.touched = true;
    switch (event.kind) {
      case 'refused':
        return;
      case 'established':
        this.#proven++;
        if (this.#closed.has(event.ikeSa)) throw new Error('established after its end');
        this.#ikeSa = event.ikeSa;
        return;
      case 'closed':
        if (this.#closed.has(event.ikeSa)) throw new Error('closed twice');
        this.#closed.add(event.ikeSa);
        if (event.code === 'peer-deleted') this.#proven++;
        return;
      case 'child-created':
        this.#proven++;
        if (this.#children.has(event.child)) throw new Error('created twice');
        if (event.sa.inbound.spi > this.#lastSpi) throw new Error('a child with an SPI of its own');
        this.#children.set(event.child, 'created');
        return;
      case 'child-ready':
        this.#proven++;
        if (this.#children.get(event.child) !== 'created') throw new Error('ready without being created');
        this.#children.set(event.child, 'ready');
        return;
      case 'child-deleted':
        if (event.by === 'peer') this.#proven++;
        if ((this.#children.get(event.child) ?? 'deleted') === 'deleted')
          throw new Error('deleted without being there');
        this.#children.set(event.child, 'deleted');
        return;
      case 'child-failed':
        return;
      case 'moved':
        this.#proven++;
        return;
    }
  }
}

function done(work: IkeWork): IkeWorkResult {
  if (work.kind === 'sign') return Uint8Array.from(standIn(work.hash));
  if (work.kind === 'verify')
    return Buffer.compare(standIn(work.hash), work.signature) === 0 || 'the signature is wrong';
  return exchanged(work.request);
}
