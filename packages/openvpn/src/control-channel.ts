/**
 * The control channel of one session: whose packets it takes, and under which wrap they come and go.
 *
 * Owns session ids, the peer's path and the wraps: the first key's, and the dynamic one for rekeys. Leaves order and retransmission to
 * `key-exchange.ts`.
 */
import type { Path } from '@culvert/base';
import { bodyHeadBytes, type ControlBody, decodeBody, encodeBody, encodeHead } from './control-packet.ts';
import type { SessionStats } from './face.ts';
import type { ExchangePacket } from './key-exchange.ts';
import { Opcode, peekControl } from './opcode.ts';
import { CONTROL_HEAD_BYTES, type ControlWrap } from './wrap/control-wrap.ts';
import { createDynamicWrap } from './wrap/dynamic.ts';

// Chosen by us.
/** The largest control datagram that we look at: twice what any openvpn sends (max-packet-size). It bounds what waits for its turn. */
export const LONGEST_CONTROL = 4_096;
/** Most acknowledgements that ride on a packet with data. */
const ACKS_ON_DATA = 4;

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
  /** The sender's session id. Borrows from the datagram. */
  readonly sessionId: Uint8Array;
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
    const head = peekControl(datagram);
    if (head === undefined || datagram.length > LONGEST_CONTROL || !this.#acceptsOpcode(head.opcode)) {
      stats.malformed++;
      return undefined;
    }
    if (!this.#isPeer(datagram, path, head.opcode)) {
      stats.unauthenticated++;
      return undefined;
    }
    const unwrapped = this.#wrapFor(head.keyId).unwrap(datagram);
    if (unwrapped.kind !== 'body') {
      stats[unwrapped.kind]++;
      return undefined;
    }
    const body = decodeBody(head.opcode, unwrapped.body);
    if (body === undefined || !this.#fits(head.opcode, body)) {
      stats.malformed++;
      return undefined;
    }
    const sessionId = datagram.subarray(1, CONTROL_HEAD_BYTES);
    return { opcode: head.opcode as Opcode, keyId: head.keyId, body, sessionId };
  }

  /** From now on the peer is whoever has this session id; a client learns it from the first authentic reset. */
  learnPeer(sessionId: Uint8Array): void {
    this.#peerSessionId ??= sessionId.slice();
  }

  /** The datagram for a packet of the exchange with `keyId`. */
  seal(packet: ExchangePacket, keyId: number): Uint8Array {
    const head = encodeHead(packet.opcode, keyId, this.ownSessionId);
    return this.#wrapFor(keyId).wrap(head, encodeBody({ ...packet, ackedSession: this.#peerSessionId }));
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
    const id = datagram.subarray(1, CONTROL_HEAD_BYTES);
    if (this.#peerSessionId !== undefined) return sameBytes(id, this.#peerSessionId);
    return opcode === Opcode.hardResetServerV2 && id.some((byte) => byte !== 0);
  }

  /** It acknowledges packets of this session alone, and a hard reset is always packet 0. */
  #fits(opcode: number, { ackedSession, packetId }: ControlBody): boolean {
    if (ackedSession !== undefined && !sameBytes(ackedSession, this.ownSessionId)) return false;
    const isReset =
      opcode === Opcode.hardResetServerV2 || opcode === Opcode.hardResetClientV2 || opcode === Opcode.hardResetClientV3;
    return !isReset || packetId === 0;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
