/**
 * Two machines joined by a bad wire, in virtual time.
 *
 * Owns the only clock: it drains both machines, puts what they transmit on the wire, and moves time to the next deadline (a datagram's
 * arrival or a machine's timeout). Draws from one seed, so the same options give the same run.
 *
 *     machine 0  ── pollTransmit ──►  drop? corrupt? duplicate? delay  ── handleDatagram ──►  machine 1      (and back)
 */
import assert from 'node:assert/strict';
import type { Endpoint, Instant, Machine, Millis, Path, Transmit } from '@culvert/base';
import { VirtualClock } from './virtual-clock.ts';
import { WireNoise, type WireOptions } from './wire-noise.ts';

export type Side = 0 | 1;

export interface LossyLinkOptions extends WireOptions {
  /** The clock to move, where the machines' options hold it too (as WallClock). @default a new one */
  readonly clock?: VirtualClock;
  /** The outer addresses of machine 0 and machine 1. @default simulatedEndpoints */
  readonly endpoints?: readonly [Endpoint, Endpoint];
  /** Sees every datagram as it is sent, before the wire harms it. */
  onTransmit?(from: Side, datagram: Uint8Array, now: Instant): void;
}

/** Addresses of the two ends, from the documentation networks (RFC 5737). */
export const simulatedEndpoints: readonly [Endpoint, Endpoint] = [
  { address: '192.0.2.1', port: 40_000 },
  { address: '198.51.100.1', port: 1194 },
];

/** The path as the machine on `side` sees it. */
export function simulatedPath(side: Side): Path {
  return { socket: 0, local: simulatedEndpoints[side], remote: simulatedEndpoints[other(side)] };
}

interface Flight {
  readonly at: Instant;
  readonly to: Side;
  readonly datagram: Uint8Array;
  readonly path: Path;
}

/** A machine that asks to be called again this often without time passing is stuck. */
const CALLS_AT_ONE_INSTANT = 100_000;

export class LossyLink<EventA, EventB = EventA> {
  /** What each machine reported, in order. */
  readonly events: [EventA[], EventB[]] = [[], []];
  readonly stats = { sent: 0, delivered: 0, dropped: 0, duplicated: 0, corrupted: 0, reordered: 0, misrouted: 0 };
  /** True: nothing that is sent arrives. */
  cut = false;
  /** May be changed between calls, to heal or worsen the wire. */
  wire: WireOptions;

  readonly clock: VirtualClock;
  readonly #machines: [Machine<EventA>, Machine<EventB>];
  readonly #onTransmit: LossyLinkOptions['onTransmit'];
  readonly #noise: WireNoise;
  readonly #endpoints: [Endpoint, Endpoint];
  readonly #left: Endpoint[] = [];
  #inFlight: Flight[] = [];

  constructor(a: Machine<EventA>, b: Machine<EventB>, options: LossyLinkOptions = {}) {
    this.#machines = [a, b];
    this.#onTransmit = options.onTransmit;
    this.wire = options;
    this.clock = options.clock ?? new VirtualClock();
    this.#noise = new WireNoise(options.seed ?? 1);
    const [first, second] = options.endpoints ?? simulatedEndpoints;
    this.#endpoints = [first, second];
  }

  get now(): Instant {
    return this.clock.now();
  }

  /** Let up to `limit` milliseconds pass; returns early once nothing is in flight and no machine waits for anything. */
  settle(limit: Millis): void {
    this.until(() => false, limit);
  }

  /** Let exactly `time` milliseconds pass. */
  advance(time: Millis): void {
    const end = (this.now + time) as Instant;
    this.settle(time);
    this.clock.advanceTo(end);
  }

  /** Like `settle`, and returns true as soon as `condition` holds; false when it never did. */
  until(condition: () => boolean, limit: Millis): boolean {
    const end = (this.now + limit) as Instant;
    let calls = 0;
    this.#drain();
    while (!condition()) {
      const next = this.#nextDeadline();
      if (next === undefined) return false;
      if (next > end) {
        this.clock.advanceTo(end);
        return false;
      }
      calls = next > this.now ? 0 : calls + 1;
      assert.ok(calls < CALLS_AT_ONE_INSTANT, 'a machine asks for ever more work at one instant');
      this.clock.advanceTo(next);
      this.#step();
    }
    return true;
  }

  /** The machine on `side` gets a new address; what is sent to its old one is lost. */
  roam(side: Side, to: Endpoint): void {
    this.#left.push(this.#endpoints[side]);
    this.#endpoints[side] = to;
  }

  /** Hand `datagram` to the machine on side `to` at once, as if its peer had sent it (or a stranger at `from`). */
  inject(to: Side, datagram: Uint8Array, from: Endpoint = this.#endpoints[other(to)]): void {
    this.#machines[to].handleDatagram(datagram.slice(), this.#pathOf(to, from), this.now);
    this.#drain();
  }

  #step(): void {
    const arrived = this.#inFlight.filter((flight) => flight.at <= this.now);
    this.#inFlight = this.#inFlight.filter((flight) => flight.at > this.now);
    for (const { to, datagram, path } of arrived) {
      this.stats.delivered++;
      this.#machines[to].handleDatagram(datagram, path, this.now);
      this.#drain();
    }
    for (const machine of this.#machines) {
      const deadline = machine.pollTimeout();
      if (deadline !== undefined && deadline <= this.now) machine.handleTimeout(this.now);
    }
    this.#drain();
  }

  #drain(): void {
    for (const side of [0, 1] as const) {
      const machine = this.#machines[side];
      for (let t = machine.pollTransmit(); t !== undefined; t = machine.pollTransmit()) this.#transmit(side, t);
    }
    const [a, b] = this.#machines;
    for (let e = a.pollEvent(); e !== undefined; e = a.pollEvent()) this.events[0].push(e);
    for (let e = b.pollEvent(); e !== undefined; e = b.pollEvent()) this.events[1].push(e);
  }

  #transmit(from: Side, { datagram, path }: Transmit): void {
    this.#onTransmit?.(from, datagram, this.now);
    const arrivals = this.#noise.carry(datagram, this.cut ? { ...this.wire, drop: 1 } : this.wire, this.stats);
    if (this.#left.some((gone) => sameEndpoint(gone, path.remote))) {
      this.stats.misrouted++;
      return;
    }
    const to = other(from);
    for (const arrival of arrivals) {
      const at = (this.now + arrival.delay) as Instant;
      this.#fly({ at, to, datagram: arrival.datagram, path: this.#pathOf(to, this.#endpoints[from]) });
    }
  }

  /** Keeps the wire sorted by arrival; equals stay in the order of sending. */
  #fly(flight: Flight): void {
    let at = this.#inFlight.length;
    while (at > 0 && (this.#inFlight[at - 1]?.at ?? 0) > flight.at) at--;
    this.#inFlight.splice(at, 0, flight);
  }

  #nextDeadline(): Instant | undefined {
    const [a, b] = this.#machines;
    const deadlines = [this.#inFlight[0]?.at, a.pollTimeout(), b.pollTimeout()].filter((d) => d !== undefined);
    return deadlines.length === 0 ? undefined : (Math.min(...deadlines) as Instant);
  }

  #pathOf(side: Side, remote: Endpoint): Path {
    return { socket: 0, local: this.#endpoints[side], remote };
  }
}

function other(side: Side): Side {
  return side === 0 ? 1 : 0;
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port;
}
