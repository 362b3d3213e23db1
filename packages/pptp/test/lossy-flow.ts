/**
 * TCP between two ends of a call, over a wire that loses GRE packets, in virtual time.
 *
 *   TcpSender  ── end ── wire ── end ──  TcpReceiver
 */
import type { Instant } from '@culvert/base';
import { seededRandom, VirtualClock } from '@culvert/testkit';
import { batchOf, numberOf, packetsOf, tunnel } from './frames.ts';
import { PatientPeer } from './patient-peer.ts';
import { type Ack, TcpReceiver, TcpSender } from './tcp-flow.ts';

type Kind = 'ours' | 'poptop' | 'pptp-linux';

export interface LossyFlowOptions {
  readonly seed: number;
  /** Who sends, and who receives. */
  readonly ends: readonly [Kind, Kind];
  /** Of a packet to be lost, in either direction. */
  readonly drop: number;
  /** One way, in milliseconds. */
  readonly latency: number;
  readonly segments: number;
}

interface End {
  send(frame: Uint8Array, now: Instant): void;
  handlePacket(packet: Uint8Array, now: Instant): void;
  handleTimeout(now: Instant): void;
  pollTransmit(): Uint8Array | undefined;
  pollTimeout(): Instant | undefined;
  /** What it did not send, as the peer did not keep up. */
  readonly windowFull: number;
}

interface Flight {
  readonly at: number;
  readonly to: End;
  readonly packet: Uint8Array;
}

/** Nothing that is asked for takes so long. */
const TOO_LONG = 3_600_000;

/** How long all segments took to be acknowledged, in milliseconds, and how many packets were not sent since the window was full. */
export function runFlow({ seed, ends, drop, latency, segments }: LossyFlowOptions): {
  readonly took: number;
  readonly windowFull: number;
} {
  const random = seededRandom(seed);
  const clock = new VirtualClock();
  const started = clock.now();
  const sender = new TcpSender(segments);
  const receiver = new TcpReceiver();
  const acks: Ack[] = [];
  const answer = (ack: Ack | undefined) => {
    if (ack !== undefined) far.send(frameOf(acks.push(ack) - 1), clock.now());
  };
  const near = createEnd(ends[0], (frame) => {
    const ack = acks[numberOf(frame)];
    if (ack !== undefined) sender.handleAck(ack, clock.now());
  });
  const far: End = createEnd(ends[1], (frame) => answer(receiver.handleSegment(numberOf(frame), clock.now())));
  const wire: Flight[] = [];
  const transmit = (from: End, to: End) => {
    for (let packet = from.pollTransmit(); packet !== undefined; packet = from.pollTransmit())
      if (!random.chance(drop)) wire.push({ at: clock.now() + latency, to, packet });
  };
  while (!sender.isDone) {
    for (let s = sender.poll(clock.now()); s !== undefined; s = sender.poll(clock.now()))
      near.send(frameOf(s), clock.now());
    transmit(near, far);
    transmit(far, near);
    const waits = [near, far, sender, receiver].map((machine) => machine.pollTimeout() ?? Number.POSITIVE_INFINITY);
    const next = Math.min(wire[0]?.at ?? Number.POSITIVE_INFINITY, ...waits);
    if (next - started > TOO_LONG) throw new Error('it comes to no end');
    const now = clock.advance(Math.max(0, next - clock.now()));
    for (const { to, packet } of wire.splice(0, wire.findLastIndex(({ at }) => at <= now) + 1))
      to.handlePacket(packet, now);
    for (const machine of [near, far, sender]) machine.handleTimeout(now);
    answer(receiver.handleTimeout(now));
  }
  return { took: clock.now() - started, windowFull: near.windowFull + far.windowFull };
}

function createEnd(kind: Kind, onFrame: (frame: Uint8Array) => void): End {
  if (kind === 'ours') return createOurs(onFrame);
  const peer = new PatientPeer(kind, 1, onFrame);
  return Object.assign(peer, { windowFull: 0 });
}

function createOurs(onFrame: (frame: Uint8Array) => void): End {
  const onFrames: Parameters<typeof tunnel>[0] = {
    peerWindow: 3,
    onFrames: (batch, first, count) => packetsOf(batch, first, count).forEach(onFrame),
  };
  const { machine } = tunnel(onFrames);
  const out: Uint8Array[] = [];
  return {
    send: (frame, now) => {
      const batch = batchOf([frame]);
      machine.limit(batch, 0, now);
      machine.wrap(batch, 0, now);
      out.push(...packetsOf(batch));
    },
    handlePacket: (packet, now) => {
      const batch = batchOf([packet], 0);
      machine.handleBatch(batch, 0, batch.count, now);
    },
    handleTimeout: (now) => machine.handleTimeout(now),
    pollTransmit: () => out.shift() ?? machine.pollTransmit()?.slice(),
    pollTimeout: () => machine.pollTimeout(),
    get windowFull() {
      return machine.stats.windowFull;
    },
  };
}

function frameOf(number: number): Uint8Array {
  const frame = Uint8Array.of(0xff, 3, 0, 0x21, 0, 0, 0, 0);
  new DataView(frame.buffer).setUint32(4, number);
  return frame;
}
