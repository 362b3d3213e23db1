/**
 * Both ends of a session as machines to join by a LossyLink: a client, and a server that makes its sessions of what its acceptor says,
 * the way a driver does.
 */
import {
  createPacketBatch,
  type Instant,
  type Machine,
  type PacketBatch,
  type Path,
  type RandomSource,
  type Transmit,
} from '@culvert/base';
import { makeTlsCryptV2ClientKey } from '@culvert/config';
import { FakeTlsEngine, type FakeTlsOptions, seededRandom, simulatedPath, type VirtualClock } from '@culvert/testkit';
import {
  Acceptor,
  ClientSession,
  type ClientSessionOptions,
  type ClientWrap,
  isData,
  type PushedConfig,
  peekControl,
  ServerSession,
  type ServerSessionOptions,
  type ServerWrap,
  type SessionEvent,
} from '../src/index.ts';

export const config: PushedConfig = {
  ipv4: { address: '10.8.0.2', prefix: 24, gateway: '10.8.0.1' },
  ipv6: { address: 'fd00:8::2', prefix: 64, gateway: 'fd00:8::1' },
  mtu: 1_500,
  routes: ['192.168.7.0/24', 'fd00:7::/64'],
  redirect: { ipv4: false, ipv6: false },
  dns: { servers: ['192.168.7.53', 'fd00:7::53'], search: ['office.example'] },
  networksBehind: [],
  keepalive: { interval: 10_000, timeout: 60_000 },
  idleTimeout: undefined,
  sessionTimeout: undefined,
};

export type Answer = 'admit' | 'refuse' | 'wait';

export interface ServerSetup {
  readonly clock: VirtualClock;
  readonly random: RandomSource;
  readonly wrap: ServerWrap;
  readonly tls?: Partial<FakeTlsOptions> | undefined;
  readonly session?: Partial<ServerSessionOptions> | undefined;
  readonly config?: PushedConfig | undefined;
  /** @default udp */
  readonly protocol?: 'udp' | 'tcp' | undefined;
  readonly limits?: { readonly initialPerInterval: number; readonly intervalMillis: number } | undefined;
}

/** A server of one peer. */
export class ServerEnd implements Machine<SessionEvent> {
  readonly acceptor: Acceptor;
  readonly engines: FakeTlsEngine[] = [];
  session: ServerSession | undefined;
  sessions = 0;
  /** How claims are answered. */
  answer: Answer = 'admit';
  answerRekey: 'ok' | 'refuse' | 'wait' = 'ok';
  /** Inner packets that came in. */
  readonly received: Uint8Array[] = [];
  readonly #setup: ServerSetup;
  #replies: Transmit[] = [];
  #events: SessionEvent[] = [];

  constructor(setup: ServerSetup) {
    this.#setup = setup;
    const { random, clock, wrap, limits } = setup;
    this.acceptor = new Acceptor({ random, wallClock: clock, wrap, limits });
  }

  handleDatagram(datagram: Uint8Array, path: Path, now: Instant): void {
    if (isData(datagram[0] ?? 0)) {
      if (this.session !== undefined) openInto(this.session, datagram, this.received, now);
      this.#decide(now);
      return;
    }
    const id = peekControl(datagram)?.sessionId;
    if (this.session !== undefined && id === this.session.peerSessionId)
      this.session.handleDatagram(datagram, path, now);
    else this.#handleStranger(datagram, path, now);
    this.#decide(now);
  }

  handleTimeout(now: Instant): void {
    this.session?.handleTimeout(now);
    this.#decide(now);
  }

  pollTransmit(): Transmit | undefined {
    return this.#replies.shift() ?? this.session?.pollTransmit();
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  pollTimeout(): Instant | undefined {
    return this.session?.pollTimeout();
  }

  /** Send an inner packet; goes out at the next step of the link. */
  send(packet: Uint8Array, now: Instant): void {
    if (this.session !== undefined) sealInto(this.session, packet, this.#replies, now);
  }

  #handleStranger(datagram: Uint8Array, path: Path, now: Instant): void {
    const { protocol = 'udp' } = this.#setup;
    const verdict =
      protocol === 'udp'
        ? this.acceptor.handleInitial(datagram, path, now)
        : this.acceptor.handleStreamInitial(datagram, path, now);
    if (verdict.kind === 'reply') this.#replies.push({ datagram: verdict.datagram, path });
    if (verdict.kind !== 'session') return;
    const { random, clock, tls, session } = this.#setup;
    const createTls = () => {
      const engine = new FakeTlsEngine({ role: 'server', random, name: 'server', ...tls });
      this.engines.push(engine);
      return engine;
    };
    this.session?.dispose();
    this.sessions++;
    this.session = new ServerSession({
      start: verdict.start,
      path,
      protocol,
      random,
      wallClock: clock,
      createTls,
      now,
      peerId: 7,
      ...session,
    });
  }

  #decide(now: Instant): void {
    const session = this.session;
    if (session === undefined) return;
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      this.#events.push(event);
      if (event.kind !== 'claim') continue;
      if (event.initial && this.answer === 'admit') session.admit(this.#setup.config ?? config, now);
      if (event.initial && this.answer === 'refuse') session.refuse('wrong password', now);
      if (!event.initial && this.answerRekey !== 'wait') {
        session.reauthenticated(this.answerRekey === 'ok', 'the account was disabled', now);
      }
    }
  }
}

/** A client session that keeps the inner packets it gets. */
export class ClientEnd extends ClientSession {
  readonly received: Uint8Array[] = [];
  engines: FakeTlsEngine[] = [];
  readonly #extra: Transmit[] = [];

  override handleDatagram(datagram: Uint8Array, path: Path, now: Instant): void {
    if (isData(datagram[0] ?? 0)) openInto(this, datagram, this.received, now);
    else super.handleDatagram(datagram, path, now);
  }

  override pollTransmit(): Transmit | undefined {
    return this.#extra.shift() ?? super.pollTransmit();
  }

  send(packet: Uint8Array, now: Instant): void {
    sealInto(this, packet, this.#extra, now);
  }
}

export interface ClientSetup {
  readonly clock: VirtualClock;
  readonly random: RandomSource;
  readonly wrap: ClientWrap;
  readonly tls?: Partial<FakeTlsOptions> | undefined;
  readonly session?: Partial<ClientSessionOptions> | undefined;
}

export function createClient({ clock, random, wrap, tls, session }: ClientSetup): ClientEnd {
  const engines: FakeTlsEngine[] = [];
  const end = new ClientEnd({
    path: simulatedPath(0),
    protocol: 'udp',
    random,
    wallClock: clock,
    createTls: () => {
      // The name is read anew, so that a test may change it between key exchanges.
      const engine = new FakeTlsEngine({ role: 'client', random, name: 'alice', ...tls });
      engines.push(engine);
      return engine;
    },
    now: clock.now(),
    wrap,
    ...session,
  });
  end.engines = engines;
  return end;
}

/** Matching wraps of both ends, by kind. */
export function matchingWraps(
  kind: 'none' | 'tls-crypt' | 'tls-crypt-v2',
  seed = 42,
): { readonly server: ServerWrap; readonly client: ClientWrap } {
  const random = seededRandom(seed);
  if (kind === 'none') return { server: { kind }, client: { kind } };
  if (kind === 'tls-crypt') {
    const key = random.bytes(256);
    return { server: { kind, key }, client: { kind, key } };
  }
  const serverKey = random.bytes(128);
  return {
    server: { kind, serverKey },
    client: { kind, ...makeTlsCryptV2ClientKey(serverKey, Uint8Array.of(0), random) },
  };
}

/** An IPv4 packet to look at: only its first nibble and its bytes matter here. */
export function innerPacket(n: number, length = 100): Uint8Array {
  const packet = new Uint8Array(length);
  packet[0] = 0x45;
  new DataView(packet.buffer).setUint32(16, n);
  return packet;
}

export function batchOf(...packets: readonly Uint8Array[]): PacketBatch {
  const batch = createPacketBatch(Math.max(1, packets.length), packets.reduce((sum, p) => sum + p.length, 0) + 1);
  for (const packet of packets) {
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count] = packet.length;
    batch.arena.set(packet, batch.used);
    batch.used += packet.length;
    batch.count++;
  }
  return batch;
}

export function packetsOf(batch: PacketBatch): Uint8Array[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = batch.offsets[i] ?? 0;
    return batch.arena.slice(at, at + (batch.lengths[i] ?? 0));
  });
}

interface DataPath {
  readonly path: Path;
  seal(src: PacketBatch, first: number, dst: PacketBatch, now: Instant): number;
  open(src: PacketBatch, first: number, count: number, dst: PacketBatch, now: Instant): number;
}

function openInto(session: DataPath, datagram: Uint8Array, into: Uint8Array[], now: Instant): void {
  const dst = createPacketBatch(1, datagram.length + 64);
  session.open(batchOf(datagram), 0, 1, dst, now);
  into.push(...packetsOf(dst).filter((packet) => packet.length > 0));
}

function sealInto(session: DataPath, packet: Uint8Array, into: Transmit[], now: Instant): void {
  const dst = createPacketBatch(1, packet.length + 64);
  session.seal(batchOf(packet), 0, dst, now);
  for (const datagram of packetsOf(dst)) into.push({ datagram, path: session.path });
}
