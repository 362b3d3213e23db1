/**
 * The control channel of one session: whose packets it takes, and under which wrap they come and go.
 *
 * Owns session ids, the peer's path and the wraps: the first key's, and the dynamic one for rekeys. Leaves order and retransmission to
 * `key-exchange.ts`.
 */
import type { Path } from '@culvert/base';
import { standsAt } from './bytes.ts';
import { bodyHeadBytes, type ControlBody, decodeBody, encodeBody, encodeHead } from './control-packet.ts';
import type { SessionStats } from './face.ts';
import type { ExchangePacket } from './key-exchange.ts';
import { Opcode, SESSION_ID_BYTES } from './opcode.ts';
import { CONTROL_HEAD_BYTES, type ControlWrap } from './wrap/control-wrap.ts';
import { createDynamicWrap } from './wrap/dynamic.ts';

// Chosen by us.
/** The largest control datagram that we look at: twice what any openvpn sends (max-packet-size). It bounds what waits for its turn. */
export const LONGEST_CONTROL = 4_096;
/** Most acknowledgements that ride on a packet with data. */
const ACKS_ON_DATA = 4;

const NO_SESSION = new Uint8Array(SESSION_ID_BYTES);

export interface ControlChannelOptions {
  readonly role: 'server' | 'client';
  readonly protocol: 'udp' | 'tcp';
  readonly path: Path;
  readonly ownSessionId: Uint8Array;
  /** Undefined: learned from the server's reset. */
  readonly peerSessionId: Uint8Array | undefined;
  readonly wrap: ControlWrap;
  /** What a dynamic wrap is mixed with. */
  readonly staticKey: Uint8Array | undefined;
  readonly stats: SessionStats;
}

/** An authentic packet of the peer. */
export interface PeerPacket {
  readonly opcode: Opcode;
  readonly keyId: number;
  readonly body: ControlBody;
}

export class ControlChannel {
  readonly ownSessionId: Uint8Array;
  readonly #options: ControlChannelOptions;
  #path: Path;
  #peerSessionId: Uint8Array | undefined;
  #dynamicWrap: ControlWrap | undefined;

  constructor(options: ControlChannelOptions) {
    this.#options = options;
    this.ownSessionId = options.ownSessionId;
    this.#path = options.path;
    this.#peerSessionId = options.peerSessionId;
  }

  get path(): Path {
    return this.#path;
  }
  get peerSessionId(): Uint8Array | undefined {
    return this.#peerSessionId;
  }

  /** The peer is elsewhere now. Over a stream it cannot be. */
  move(path: Path): void {
    if (this.#options.protocol === 'udp') this.#path = path;
  }

  /** The peer's packet in `datagram`; what is not one is counted. */
  open(datagram: Uint8Array, path: Path): PeerPacket | undefined {
    const { stats } = this.#options;
    const first = datagram[0] ?? 0;
    const opcode = first >>> 3;
    const keyId = first & 7;
    const isLong = datagram.length > LONGEST_CONTROL;
    if (datagram.length < CONTROL_HEAD_BYTES || isLong || !this.#acceptsOpcode(opcode)) {
      stats.malformed++;
      return undefined;
    }
    if (!this.#isPeer(datagram, path, opcode)) {
      stats.unauthenticated++;
      return undefined;
    }
    const unwrapped = this.#wrapFor(keyId).unwrap(datagram);
    if (unwrapped.kind !== 'body') {
      stats[unwrapped.kind]++;
      return undefined;
    }
    const body = decodeBody(opcode, unwrapped.body);
    if (body === undefined || !this.#fits(opcode, body)) {
      stats.malformed++;
      return undefined;
    }
    return { opcode: opcode as Opcode, keyId, body };
  }

  /** From now on the peer is who sent this; a client learns its session id from the first authentic reset. */
  learnPeer(datagram: Uint8Array): void {
    this.#peerSessionId ??= datagram.slice(1, CONTROL_HEAD_BYTES);
  }

  /** The datagram for a packet of the exchange with `keyId`. */
  seal(packet: ExchangePacket, keyId: number): Uint8Array {
    const head = encodeHead(packet.opcode, keyId, this.ownSessionId);
    const { acks, packetId, payload } = packet;
    return this.#wrapFor(keyId).wrap(head, encodeBody({ acks, ackedSession: this.#peerSessionId, packetId, payload }));
  }

  /** TLS bytes that fit a packet with this opcode when the datagram may have `most` bytes. */
  payloadBytes(opcode: Opcode, keyId: number, most: number): number {
    const wrap = this.#wrapFor(keyId);
    const withKey = opcode === Opcode.controlWkcV1 ? wrap.wrappedKeyBytes : 0;
    return most - CONTROL_HEAD_BYTES - wrap.overhead - bodyHeadBytes(ACKS_ON_DATA) - withKey;
  }

  /** Rekeys go under a wrap of this session's own. @param time Unix seconds. Returns its name. */
  useDynamicWrap(exported: Uint8Array, time: number): string {
    const { role, staticKey } = this.#options;
    this.#dynamicWrap = createDynamicWrap({ role, exported, staticKey, time });
    return this.#dynamicWrap.name;
  }

  #wrapFor(keyId: number): ControlWrap {
    return keyId > 0 && this.#dynamicWrap !== undefined ? this.#dynamicWrap : this.#options.wrap;
  }

  #acceptsOpcode(opcode: number): boolean {
    if (opcode === Opcode.controlV1 || opcode === Opcode.ackV1 || opcode === Opcode.softResetV1) return true;
    if (this.#options.role === 'client') return opcode === Opcode.hardResetServerV2;
    return opcode === Opcode.hardResetClientV2 || opcode === Opcode.hardResetClientV3 || opcode === Opcode.controlWkcV1;
  }

  /** Control packets come from the address that the session is bound to, and with the peer's session id (openvpn ssl.c). */
  #isPeer(datagram: Uint8Array, path: Path, opcode: number): boolean {
    const { address, port } = this.#path.remote;
    if (path.remote.address !== address || path.remote.port !== port) return false;
    if (this.#peerSessionId !== undefined) return standsAt(datagram, 1, this.#peerSessionId);
    return opcode === Opcode.hardResetServerV2 && !standsAt(datagram, 1, NO_SESSION);
  }

  /** It acknowledges packets of this session alone, and a hard reset is always packet 0. */
  #fits(opcode: number, { ackedSession, packetId }: ControlBody): boolean {
    if (ackedSession !== undefined && !standsAt(ackedSession, 0, this.ownSessionId)) return false;
    const isReset =
      opcode === Opcode.hardResetServerV2 || opcode === Opcode.hardResetClientV2 || opcode === Opcode.hardResetClientV3;
    return !isReset || packetId === 0;
  }
}
