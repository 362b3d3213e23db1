/** Opens a stranger's packet with whatever wrap the server is configured for, without any state of a peer. */
import type { WallClock } from '@culvert/base';
import type { ServerWrap } from '../face.ts';
import { Opcode } from '../opcode.ts';
import { CONTROL_HEAD_BYTES, type ControlWrap } from './control-wrap.ts';
import { createNoWrap } from './none.ts';
import { createTlsCryptWrap, openTlsCrypt, tlsCryptKey } from './tls-crypt.ts';
import { carriesWrappedKey, createTlsCryptV2Server, EARLY_NEGOTIATION_IDS } from './tls-crypt-v2.ts';
import { splitWrappedKey, unwrapClientKey } from './wrapped-key.ts';

export type DropReason =
  | 'malformed'
  | 'unknownOpcode'
  | 'unauthenticated'
  | 'noCookie'
  | 'tooMany'
  | 'oldClient'
  | 'refusedMetadata';

export interface StrangerPacket {
  readonly opcode: number;
  /** Borrows from the datagram. */
  readonly sessionId: Uint8Array;
  /** Starts at the acknowledgement count. Lent until the next packet is opened. */
  readonly body: Uint8Array;
  /** The key that a dynamic wrap is mixed with. */
  readonly staticKey: Uint8Array | undefined;
  /** A tls-crypt-v2 client that cannot send its key again. */
  readonly keepsNoKey: boolean;
  /** A wrap to answer with, for this peer alone; its first packet has this replay id. */
  wrapFor(firstId: number): ControlWrap;
}

export class ServerWraps {
  readonly statefulFallback: boolean;
  readonly #wrap: ServerWrap;
  readonly #wallClock: WallClock;
  /** The tls-crypt key that all clients share, if there is one. */
  readonly #sharedKey: Uint8Array | undefined;
  readonly #shared: Uint8Array | undefined;

  constructor(wrap: ServerWrap, wallClock: WallClock) {
    this.#wrap = wrap;
    this.#wallClock = wallClock;
    this.statefulFallback = wrap.kind === 'tls-crypt-v2' && wrap.statefulFallback === true;
    this.#sharedKey = wrap.kind === 'tls-crypt' ? wrap.key : wrap.kind === 'tls-crypt-v2' ? wrap.also : undefined;
    this.#shared = this.#sharedKey === undefined ? undefined : tlsCryptKey(this.#sharedKey, 'client');
  }

  /** The caller has checked that the head is there and the opcode is one that may come first. */
  open(datagram: Uint8Array): StrangerPacket | DropReason {
    if (carriesWrappedKey(datagram[0] ?? 0)) return this.#openWithWrappedKey(datagram);
    if (this.#wrap.kind === 'none') return this.#openPlain(datagram);
    return this.#openShared(datagram);
  }

  #openPlain(datagram: Uint8Array): StrangerPacket {
    const body = datagram.subarray(CONTROL_HEAD_BYTES);
    return { ...head(datagram), body, staticKey: undefined, keepsNoKey: false, wrapFor: () => createNoWrap() };
  }

  #openShared(datagram: Uint8Array): StrangerPacket | DropReason {
    const staticKey = this.#sharedKey;
    const opened = this.#shared === undefined ? undefined : openTlsCrypt(this.#shared, datagram);
    if (opened === undefined || staticKey === undefined) return 'unauthenticated';
    const wrapFor = (firstId: number) =>
      createTlsCryptWrap({ role: 'server', staticKey, time: this.#unixSeconds(), firstId });
    return { ...head(datagram), body: opened.body, staticKey, keepsNoKey: false, wrapFor };
  }

  #openWithWrappedKey(datagram: Uint8Array): StrangerPacket | DropReason {
    if (this.#wrap.kind !== 'tls-crypt-v2') return 'unknownOpcode';
    const parts = splitWrappedKey(datagram);
    if (parts === undefined) return 'malformed';
    const unwrapped = unwrapClientKey(this.#wrap.serverKey, parts.wrapped);
    if (unwrapped === undefined) return 'unauthenticated';
    const { clientKey, metadata } = unwrapped;
    const opened = openTlsCrypt(tlsCryptKey(clientKey, 'client'), parts.packet);
    if (opened === undefined) return 'unauthenticated';
    if (this.#wrap.verifyMetadata?.(metadata) === false) return 'refusedMetadata';
    const isReset = (datagram[0] ?? 0) >>> 3 === Opcode.hardResetClientV3;
    const knowsEarlyNegotiation = opened.id >>> 24 === EARLY_NEGOTIATION_IDS >>> 24;
    return {
      ...head(datagram),
      body: opened.body,
      staticKey: clientKey,
      keepsNoKey: isReset && !knowsEarlyNegotiation,
      wrapFor: (firstId) => createTlsCryptV2Server(clientKey, this.#unixSeconds(), firstId),
    };
  }

  #unixSeconds(): number {
    return Math.floor(this.#wallClock.unixMillis() / 1_000);
  }
}

function head(datagram: Uint8Array): { readonly opcode: number; readonly sessionId: Uint8Array } {
  return { opcode: (datagram[0] ?? 0) >>> 3, sessionId: datagram.subarray(1, CONTROL_HEAD_BYTES) };
}
