import type { CloseReason, Instant, Machine, PacketBatch, Path, Transmit } from '@culvert/base';
import type {
  ClientSessionOptions,
  PushedConfig,
  ServerSessionOptions,
  SessionEvent,
  SessionOptions,
  SessionStats,
} from './face.ts';

/** One peer, either role. */
abstract class Session implements Machine<SessionEvent> {
  readonly stats: SessionStats = {
    malformed: 0,
    unauthenticated: 0,
    replayed: 0,
    retransmits: 0,
    duplicates: 0,
    packetsIn: 0,
    bytesIn: 0,
    packetsOut: 0,
    bytesOut: 0,
    dataUnauthenticated: 0,
    dataReplayed: 0,
    dataNoKey: 0,
    dataRefused: 0,
    droppedOut: 0,
  };
  readonly facts: Record<string, string> = {};
  constructor(_options: SessionOptions) {}

  /** Where the peer is now. */
  get path(): Path {
    throw new Error('not yet');
  }
  /** The peer's session id, as `peekControl` reads it; undefined until a client has its server's. */
  get peerSessionId(): bigint | undefined {
    return undefined;
  }

  // In.
  /** Control packets only (the opcode is not DATA_*). Over a stream: one packet without its length. */
  handleDatagram(_datagram: Uint8Array, _path: Path, _now: Instant): void {}
  handleTimeout(_now: Instant): void {}
  /** Start a new key exchange; nothing happens while one is under way or before the session is up. */
  renegotiate(_now: Instant): void {}
  /** Authenticated data came from a new path: send there from now on. */
  handleRoam(_path: Path, _now: Instant): void {}
  /** Say goodbye and end; the `closed` event follows when the peer has acknowledged it, or after a short while. */
  close(_reason: CloseReason, _now: Instant): void {}
  /** End at once without a word: free the keys and TLS engines. Idempotent. `closed` does not follow. */
  dispose(): void {}

  // Data path.
  /** Appends one datagram for each packet of `src` (skipping lengths 0) to `dst`. Returns how many packets were dropped. */
  seal(_src: PacketBatch, _dst: PacketBatch, _now: Instant): number {
    return 0;
  }
  /**
   * Opens the DATA datagrams `src[first .. first+count)`, appending one slot for each to `dst`, in order: the inner packet, or
   * length 0 for what failed or was meant for us (pings). `dst.tags` is the packet id, and 0 for what failed or was a replay.
   * Returns how many were authentic and new.
   */
  open(_src: PacketBatch, _first: number, _count: number, _dst: PacketBatch, _now: Instant): number {
    return 0;
  }

  // Out. Drain in this order.
  pollTransmit(): Transmit | undefined {
    return undefined;
  }
  pollEvent(): SessionEvent | undefined {
    return undefined;
  }
  pollTimeout(): Instant | undefined {
    return undefined;
  }
}

export class ServerSession extends Session {
  // biome-ignore lint/complexity/noUselessConstructor: narrows the options
  constructor(options: ServerSessionOptions) {
    super(options);
  }
  /** Let the peer in with this configuration: answers the initial claim. */
  admit(_config: PushedConfig, _now: Instant): void {}
  /** Turn the peer away; `tell` is what it may know. `closed` follows with the cause `refused`. */
  refuse(_tell: string, _now: Instant): void {}
  /** Answers the claim of a rekey. */
  reauthenticated(_ok: boolean, _tell: string, _now: Instant): void {}
}

export class ClientSession extends Session {
  // biome-ignore lint/complexity/noUselessConstructor: narrows the options
  constructor(options: ClientSessionOptions) {
    super(options);
  }
}
