/**
 * OpenVPN's AEAD data format (openvpn doc: "data channel, AEAD", ssl_pkt.h P_DATA_V1/V2, crypto.c), a batch a call.
 *
 *   v2  | opcode/key id 1 | peer id 3 | packet id 4 | tag 16 | ciphertext ...   authenticated: the first 8 bytes
 *   v1  | opcode/key id 1 |             packet id 4 | tag 16 | ciphertext ...   authenticated: the packet id
 *
 * The nonce is packet id (4) and implicit IV (8). Replay windows and limits of use belong to the protocol.
 */
import type { PacketBatch } from '@culvert/base';
import { nativeOr } from '../native.ts';
import type { ReplayWindow } from '../replay-window.ts';
import type { SkippedPackets } from '../trains/face.ts';
import { NativeAeadKey } from './native-aead.ts';
import { PortableAeadKey } from './portable-aead.ts';

export type AeadName = 'AES-256-GCM' | 'AES-128-GCM' | 'CHACHA20-POLY1305';

/** Bytes that a datagram is longer than its packet: header, packet id and tag. */
export const overhead = { v2: 24, v1: 21 } as const;

export interface OpenvpnAeadOptions {
  readonly cipher: AeadName;
  /** 32 bytes; AES-128-GCM: 16. Copied. */
  readonly key: Uint8Array;
  /** 8 bytes. Copied. */
  readonly implicitIv: Uint8Array;
  readonly format: 'v1' | 'v2';
  /**
   * `native` throws CULVERT_CIPHER_NATIVE where the binary does not load.
   * @default native where it loads, else portable (see the key's `implementation`)
   */
  readonly implementation?: 'native' | 'portable';
}

/** One direction of one key. */
export interface OpenvpnAeadKey {
  /** Which of the two does the work. Portable is some eighty times slower (1400-byte packets): a program that meets it should warn once. */
  readonly implementation: 'native' | 'portable';
  /** By `seal`. */
  readonly skipped: SkippedPackets;

  /**
   * Seals the packets of `src` from index `first` on, skipping lengths of 0, and appends the datagrams to `dst`.
   * `header` is the first 4 bytes (v2) or the first byte (v1) as a number. Packet ids count up from `packetId`, one a
   * datagram: the next free one is `packetId` plus what `dst.count` grew by. `dst.tags` gets a copy of `src.tags`.
   * Returns the index of the first packet not consumed: `src.count` when all went, less when `dst` is out of slots or bytes.
   * Throws RangeError, and seals nothing, when packet ids could pass 0xffffffff.
   *
   * Where `src.virtio` is set, packets are first cut into segments and their checksums completed, a datagram and a slot of
   * `dst` each, one behind the other. A packet goes whole or not at all; what cannot go is counted in `skipped`. As many
   * packet ids must be left as `dst` has free slots.
   */
  seal(src: PacketBatch, first: number, dst: PacketBatch, header: number, packetId: number): number;

  /**
   * Opens `count` whole datagrams of `src` from index `first` on, checks packet ids against `replay`, joins what the kernel's
   * GRO would join and appends trains and single packets to `dst`, each with the tag of its first datagram. Where
   * `dst.virtio` is not set every packet comes out single. Datagrams that are short, forged or replayed, and empty packets,
   * get no slot: `report`, which the call fills anew, tells of them. What is no IP packet (OpenVPN's own messages) comes out
   * single, with a virtio header of zeros. Packets of one flow stay in order.
   * Returns the index of the first datagram not consumed: less than `first + count` when `dst` is out of slots or bytes.
   * @param report at least `OpenReport.words` long
   * @param join bits of `Join`: what the reader of `dst` takes. @default Join.tcp
   */
  openTrain(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    replay: ReplayWindow,
    report: Uint32Array,
    join?: number,
  ): number;

  /**
   * Opens `count` whole datagrams of `src` from index `first` on and appends to `dst` exactly one slot for each, in order:
   * the plaintext, with the packet id in `dst.tags`. One that is too short or fails authentication gets length 0 and tag 0.
   * Whether the header names this key is the caller's business; that it was not changed is checked.
   * Returns the index of the first datagram not consumed: less than `first + count` when `dst` is out of slots or bytes.
   */
  open(src: PacketBatch, first: number, count: number, dst: PacketBatch): number;

  /** Forgets the key. Idempotent; `seal` and `open` throw afterwards. */
  close(): void;
}

const keyLengths = { 'AES-256-GCM': 32, 'AES-128-GCM': 16, 'CHACHA20-POLY1305': 32 } as const;

/** Throws TypeError for a cipher, format or length that does not exist. */
export function createOpenvpnAeadKey(options: OpenvpnAeadOptions): OpenvpnAeadKey {
  return openvpnAeadKeys(options.implementation)(options);
}

/**
 * As `createOpenvpnAeadKey`, for who makes many: the binary is looked for once. Throws CULVERT_CIPHER_NATIVE for `native` where it does
 * not load.
 */
export function openvpnAeadKeys(
  implementation: OpenvpnAeadOptions['implementation'],
): (options: Omit<OpenvpnAeadOptions, 'implementation'>) => OpenvpnAeadKey {
  const native = implementation === 'portable' ? undefined : nativeOr(implementation === undefined);
  return (options) => {
    const keyLength = keyLengths[options.cipher];
    if (keyLength === undefined) throw new TypeError(`unknown cipher ${JSON.stringify(options.cipher)}`);
    if (overhead[options.format] === undefined) throw new TypeError(`unknown format ${JSON.stringify(options.format)}`);
    if (options.key.length !== keyLength) throw new TypeError(`a key of ${options.cipher} has ${keyLength} bytes`);
    if (options.implicitIv.length !== 8) throw new TypeError('an implicit IV has 8 bytes');
    return native === undefined ? new PortableAeadKey(options) : new NativeAeadKey(native, options);
  };
}
