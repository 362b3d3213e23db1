/** Endpoints with a virtual driver: datagrams in and out as plain bytes, frames as numbers. */
import { createPacketBatch, type Instant, type PacketBatch } from '@culvert/base';
import { batchOf, packetsOf, seededRandom, simulatedPath } from '@culvert/testkit';
import { type EndpointOptions, L2tpEndpoint } from '../src/endpoint.ts';
import type { Carrier, L2tpEvent } from '../src/event.ts';
import { DATA_HEADER_BYTES } from '../src/header.ts';
import type { Session } from '../src/session.ts';

export const START = 10_000 as Instant;
export const operator = { cause: 'operator', detail: 'enough' } as const;
/** Frame `n`: ff 03 00 21 and its number. */
export function frame(n: number): Uint8Array {
  return Uint8Array.of(0xff, 3, 0, 0x21, n >>> 8, n & 255);
}

export class End {
  readonly machine: L2tpEndpoint;
  readonly events: L2tpEvent[] = [];
  readonly frames: { readonly session: Session; readonly bytes: Uint8Array }[] = [];
  now = START;
  readonly #out: Uint8Array[] = [];

  constructor(options: Partial<EndpointOptions> & { readonly seed?: number } = {}) {
    this.machine = new L2tpEndpoint({
      random: seededRandom(options.seed ?? 1),
      hostName: 'culvert',
      ...options,
      onFrames: (session, batch, first, count) => {
        for (let i = first; i < first + count; i++) {
          const [at = 0, length = 0] = [batch.offsets[i], batch.lengths[i]];
          if (length > 0) this.frames.push({ session, bytes: batch.arena.slice(at, at + length) });
        }
      },
    });
  }

  get numbers(): number[] {
    return this.frames.map(({ bytes }) => ((bytes.at(-2) ?? 0) << 8) | (bytes.at(-1) ?? 0));
  }
  /** The sessions that came up and did not end. */
  get sessions(): Session[] {
    return this.events.flatMap((e) => (e.kind === 'session' && e.session.stage === 'up' ? [e.session] : []));
  }
  get reasons(): string[] {
    return this.events.flatMap((e) => (e.kind === 'closed' ? [e.reason.detail] : []));
  }

  hear(datagrams: readonly Uint8Array[], carrier: Carrier = 'wire'): void {
    const batch = batchOf(datagrams);
    this.machine.handleBatch(batch, 0, batch.count, carrier, this.now);
    this.listen();
  }
  /** What it has to send, and the events into `events`. */
  drain(): { readonly datagram: Uint8Array; readonly carrier: Carrier }[] {
    const out: { readonly datagram: Uint8Array; readonly carrier: Carrier }[] = [];
    for (let t = this.machine.pollTransmit(); t !== undefined; t = this.machine.pollTransmit()) out.push(t);
    this.listen();
    return out;
  }
  listen(): void {
    for (let e = this.machine.pollEvent(); e !== undefined; e = this.machine.pollEvent()) {
      this.events.push(e);
      if (e.kind === 'frames') this.frames.push(...e.frames.map((bytes) => ({ session: e.session, bytes })));
    }
  }
  wrapped(session: Session, numbers: readonly number[]): Uint8Array[] {
    const batch = roomy(numbers.map(frame));
    session.wrap(batch, 0);
    return packetsOf(batch);
  }

  // The shape that the simulated wire knows.
  send(session: Session, numbers: readonly number[]): void {
    this.#out.push(...this.wrapped(session, numbers));
  }
  handleDatagram(datagram: Uint8Array, _: unknown, now: Instant): void {
    this.now = now;
    this.hear([datagram]);
  }
  handleTimeout(now: Instant): void {
    this.now = now;
    this.machine.handleTimeout(now);
    this.listen();
  }
  pollTransmit() {
    const datagram = this.machine.pollTransmit()?.datagram ?? this.#out.shift();
    return datagram && { datagram, path: simulatedPath(0) };
  }
  pollEvent(): undefined {
    this.listen();
  }
  pollTimeout(): Instant | undefined {
    return this.machine.pollTimeout();
  }
}

function roomy(frames: readonly Uint8Array[]): PacketBatch {
  const batch = createPacketBatch(Math.max(1, frames.length), frames.length * 100 + 1);
  for (const bytes of frames) {
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count++] = DATA_HEADER_BYTES + bytes.length;
    batch.arena.set(bytes, batch.used + DATA_HEADER_BYTES);
    batch.used += DATA_HEADER_BYTES + bytes.length;
  }
  return batch;
}

/** Passes packets between two ends over one carrier until both are quiet. Returns what went over it. */
export function talk(a: End, b: End, carrier: Carrier = 'wire'): Uint8Array[] {
  const said: Uint8Array[] = [];
  for (let turn = 0; turn < 50; turn++) {
    const [x, y] = [a.drain(), b.drain()].map((list) => list.map(({ datagram }) => datagram));
    if (x === undefined || y === undefined || x.length + y.length === 0) break;
    said.push(...x, ...y);
    if (x.length > 0) b.hear(x, carrier);
    if (y.length > 0) a.hear(y, carrier);
  }
  return said;
}
