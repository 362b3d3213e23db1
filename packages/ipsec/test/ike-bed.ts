/**
 * IKE endpoints on one simulated network in virtual time, with a NAT where a host asks for one.
 *
 *   host 10.0.0.x (500, 4500)  ──►  NAT 198.51.100.7 (a port of its own for each)  ──►  any other host
 *
 * Does the work that endpoints hand out at once; every draw is from one seed.
 */
import assert from 'node:assert/strict';
import type { Instant, Path } from '@culvert/base';
import {
  exchangeKeys,
  IkeEndpoint,
  type IkeEvent,
  type IkeOptions,
  type IkeWork,
  type IkeWorkResult,
  workDropped,
} from '@culvert/ipsec';
import { nullLogger, type SeededRandom, seededRandom } from '@culvert/testkit';

export interface Weather {
  readonly drop?: number;
  readonly duplicate?: number;
  readonly corrupt?: number;
  /** Up to so many milliseconds more than 10. */
  readonly jitter?: number;
}

export interface HostOptions extends Partial<IkeOptions> {
  readonly address: string;
  /** Its public address. */
  readonly nat?: string;
  /** Of key exchanges. @default true ones */
  readonly exchange?: typeof exchangeKeys;
  /** For signatures. */
  readonly work?: (work: IkeWork) => IkeWorkResult;
}

export interface Sent {
  readonly from: string;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly port: number;
  readonly datagram: Uint8Array;
}

interface Flight extends Sent {
  readonly at: number;
}

export class Host {
  readonly endpoint: IkeEndpoint;
  readonly events: IkeEvent[] = [];
  readonly options: HostOptions;
  readonly spis: Set<number> = new Set();
  /** Its public address. */
  nat: string | undefined;
  #lastSpi: number;

  constructor(options: HostOptions, random: SeededRandom) {
    this.options = options;
    this.nat = options.nat;
    this.#lastSpi = 0x1000 + random.integer(0x1000_0000);
    this.endpoint = new IkeEndpoint({
      random,
      logger: nullLogger,
      allocateSpi: () => {
        this.spis.add(++this.#lastSpi);
        return this.#lastSpi;
      },
      releaseSpi: (spi) => this.spis.delete(spi),
      ...options,
    });
  }

  of<K extends IkeEvent['kind']>(kind: K): Extract<IkeEvent, { kind: K }>[] {
    return this.events.filter((event) => event.kind === kind) as Extract<IkeEvent, { kind: K }>[];
  }

  one<K extends IkeEvent['kind']>(kind: K): Extract<IkeEvent, { kind: K }> {
    const [first, second] = this.of(kind);
    assert.ok(
      first !== undefined && second === undefined,
      `one ${kind} among ${JSON.stringify(this.events.map((e) => e.kind))}`,
    );
    return first;
  }

  path(remote: string, port: 500 | 4500): Path {
    return { socket: port, local: { address: this.options.address, port }, remote: { address: remote, port } };
  }
}

export class IkeBed {
  now: Instant = 1_000_000 as Instant;
  weather: Weather = {};
  /** Who has no room for work. */
  drops: Host | undefined;
  /** Sees what is sent, and may keep it from its way. */
  filter: (sent: Sent) => boolean = () => true;
  readonly sent: Sent[] = [];
  readonly #hosts: Host[] = [];
  readonly #random: SeededRandom;
  /** "public address port" to the host's own endpoint. */
  readonly #mapped = new Map<string, { host: Host; port: number }>();
  #flights: Flight[] = [];

  constructor(seed = 1) {
    this.#random = seededRandom(seed);
  }

  host(options: HostOptions): Host {
    const host = new Host(options, seededRandom(this.#random.integer(0x7fff_ffff)));
    this.#hosts.push(host);
    return host;
  }

  connect(from: Host, to: Host, more: Partial<Parameters<IkeEndpoint['connect']>[0]> = {}): number {
    const remote = to.options.address;
    const port = 1701;
    const child = {
      mode: 'transport',
      local: { network: `${from.options.address}/32`, protocol: 17, port },
      remote: { network: `${remote}/32`, protocol: 17, port },
    } as const;
    const path = from.path(remote, 500);
    const natPath = from.path(remote, 4500);
    return from.endpoint.connect({ path, natPath, authentication: 'pre-shared-key', child, ...more }, this.now);
  }

  /** True as soon as `condition` holds, false when `limit` milliseconds went by without. */
  until(condition: () => boolean, limit: number): boolean {
    const end = this.now + limit;
    for (let steps = 0; steps < 200_000; steps++) {
      this.#drain();
      if (condition()) return true;
      const next = Math.min(
        this.#flights[0]?.at ?? Infinity,
        ...this.#hosts.map((h) => h.endpoint.pollTimeout() ?? Infinity),
      );
      if (next > end) {
        this.now = end as Instant;
        return false;
      }
      this.now = Math.max(this.now, next) as Instant;
      this.#step();
    }
    throw new Error('the endpoints never come to rest');
  }

  run(time: number): void {
    this.until(() => false, time);
  }

  /** Hand a datagram to `to`, as from `address` and `port`, to its local port. */
  inject(
    to: Host,
    datagram: Uint8Array,
    { address, port, local = 500 }: { address: string; port: number; local?: number },
  ): void {
    const path = { socket: local, local: { address: to.options.address, port: local }, remote: { address, port } };
    to.endpoint.handleDatagram(datagram, path, this.now);
    this.#drain();
  }

  #step(): void {
    const due = this.#flights.filter(({ at }) => at <= this.now);
    this.#flights = this.#flights.filter(({ at }) => at > this.now);
    for (const flight of due) {
      this.#deliver(flight);
      this.#drain();
    }
    for (const { endpoint } of this.#hosts)
      if ((endpoint.pollTimeout() ?? Infinity) <= this.now) endpoint.handleTimeout(this.now);
  }

  #deliver({ source, sourcePort, destination, port, datagram }: Flight): void {
    const mapped = this.#mapped.get(`${destination} ${port}`);
    const host =
      mapped?.host ?? this.#hosts.find(({ nat, options }) => nat === undefined && options.address === destination);
    if (host === undefined) return;
    const local = { address: host.options.address, port: mapped?.port ?? port };
    if (local.port !== 500 && local.port !== 4500) return;
    const path = { socket: local.port, local, remote: { address: source, port: sourcePort } };
    host.endpoint.handleDatagram(datagram, path, this.now);
  }

  #drain(): void {
    for (const host of this.#hosts) {
      const { endpoint, options } = host;
      for (let w = endpoint.pollWork(); w !== undefined; w = endpoint.pollWork()) {
        const done = () =>
          w.kind === 'key-exchange' ? (options.exchange ?? exchangeKeys)(w.request) : options.work?.(w);
        const result = this.drops === host ? workDropped : done();
        endpoint.handleWorkDone(w.id, result, this.now);
      }
      for (let t = endpoint.pollTransmit(); t !== undefined; t = endpoint.pollTransmit())
        this.#transmit(host, t.datagram, t.path);
      for (let e = endpoint.pollEvent(); e !== undefined; e = endpoint.pollEvent()) host.events.push(e);
    }
  }

  #transmit(host: Host, datagram: Uint8Array, { local, remote }: Path): void {
    const [source, sourcePort] = this.#translate(host, local.port);
    const sent = {
      from: host.options.address,
      source,
      sourcePort,
      destination: remote.address,
      port: remote.port,
      datagram,
    };
    this.sent.push(sent);
    const { drop = 0, duplicate = 0, corrupt = 0, jitter = 0 } = this.weather;
    if (!this.filter(sent) || this.#random.chance(drop)) return;
    for (let copies = this.#random.chance(duplicate) ? 2 : 1; copies > 0; copies--) {
      const bytes = datagram.slice();
      if (this.#random.chance(corrupt)) {
        const at = this.#random.integer(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 + this.#random.integer(255));
      }
      const at = this.now + 10 + this.#random.integer(jitter + 1);
      const place = this.#flights.findIndex((other) => other.at > at);
      this.#flights.splice(place < 0 ? this.#flights.length : place, 0, { ...sent, datagram: bytes, at });
    }
  }

  #translate(host: Host, port: number): [string, number] {
    const { nat } = host;
    if (nat === undefined) return [host.options.address, port];
    for (const [key, mapped] of this.#mapped) {
      const [at, outer] = key.split(' ');
      if (mapped.host === host && mapped.port === port && at === nat) return [nat, Number(outer)];
    }
    const outer = 40_000 + this.#mapped.size;
    this.#mapped.set(`${nat} ${outer}`, { host, port });
    return [nat, outer];
  }
}

/** Both ends have one pair, with the same keys crossed. */
export function assertJoined(a: Host, b: Host): void {
  const ours = a.of('child-created').at(-1)?.sa;
  const theirs = b.of('child-created').at(-1)?.sa;
  assert.ok(ours && theirs);
  assert.deepEqual(ours.inbound, theirs.outbound);
  assert.deepEqual(ours.outbound, theirs.inbound);
  assert.deepEqual(ours.algorithms, theirs.algorithms);
  assert.notDeepEqual(ours.inbound.encryptionKey, ours.outbound.encryptionKey);
  assert.ok(a.of('child-ready').length > 0 && b.of('child-ready').length > 0);
}

/** Whether both ends have a pair that is in use. */
export function joined(a: Host, b: Host): () => boolean {
  return () => a.of('child-ready').length > 0 && b.of('child-ready').length > 0;
}
