/**
 * ESP (RFC 4303), a batch a call: AES-GCM by RFC 4106, AES-CBC by RFC 3602 and 3DES-CBC by RFC 2451 with HMAC over the ciphertext.
 *
 *   | SPI 4 | sequence number 4 | IV 8 or a block | payload, padding, pad length 1, next header 1 | ICV |
 *
 * The IV of GCM is the sequence number; that of CBC is the sequence number enciphered with the key (NIST SP 800-38A, appendix C),
 * which nobody without the key foretells. Which SA a packet names, addresses and selectors belong to the protocol.
 */
import type { PacketBatch } from '@culvert/base';
import { nativeOr } from '../native.ts';
import type { SkippedPackets } from '../trains/face.ts';
import { type EspAlgorithms, type EspKeys, espKeyLengths, integrityForms } from './algorithms.ts';
import type { EspFraming } from './framing.ts';
import { NativeEspKey } from './native-esp.ts';
import { PortableEspKey } from './portable-esp.ts';
import type { EspReplayWindow } from './replay-window.ts';

export interface EspKeyOptions {
  readonly algorithms: EspAlgorithms;
  /** Copied. */
  readonly keys: EspKeys;
  /** Extended sequence numbers: the ICV covers the high half, which no packet carries. @default false */
  readonly esn?: boolean;
  /**
   * `native` throws CULVERT_CIPHER_NATIVE where the binary does not load.
   * @default native where it loads, else portable (see the key's `implementation`)
   */
  readonly implementation?: 'native' | 'portable';
}

/** One direction of one security association. */
export interface EspKey {
  readonly implementation: 'native' | 'portable';
  /** What `seal` and `sealFramed` passed over since the key was made. */
  readonly skipped: SkippedPackets;

  /**
   * Seals the payloads of `src` from index `first` on, skipping lengths of 0, and appends the packets to `dst`, with their tags.
   * Sequence numbers count up from `sequence`: the next free one is `sequence` plus what `dst.count` grew by.
   * Returns the index of the first payload not consumed: `src.count` when all went, less when `dst` is out of slots or bytes.
   * Throws RangeError, and seals nothing, when sequence numbers could pass 2 ** 32 - 1, with ESN 2 ** 53 - 1.
   *
   * @param sequence at least 1
   * @param nextHeader IP protocol number of the payloads: 17 for UDP in transport mode; ESP_INNER_IP in tunnel mode, where what is no IP
   *   packet is skipped and counted
   */
  seal(src: PacketBatch, first: number, dst: PacketBatch, sequence: number, nextHeader: number): number;

  /**
   * Opens `count` packets of `src` from index `first` on, checks and marks sequence numbers in `replay`, and appends the payloads
   * to `dst`, each with the tag of its packet. What is not accepted gets no slot: `report`, which the call fills anew, tells of it.
   * A dropped packet's plaintext is wiped. Returns the index of the first packet not consumed: less than `first + count` when
   * `dst` is out of slots or bytes (padding takes room while a packet is opened).
   *
   * @param nextHeader the one that payloads must have, or ESP_INNER_IP: the one of the IP packet that they are
   * @param report at least `EspReport.words` long
   */
  open(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    replay: EspReplayWindow,
    nextHeader: number,
    report: Uint32Array,
  ): number;

  /**
   * As `seal`, for IP packets: each gets the headers of `framing`, and for its tag the length it had. Packets of a `src` with virtio headers are cut, each whole or not
   * at all, and leave as one ESP packet a segment. What is no IP packet, or contradicts its virtio header, is skipped and counted.
   * Sequence numbers must last for all slots of `dst` then.
   */
  sealFramed(
    src: PacketBatch,
    first: number,
    dst: PacketBatch,
    sequence: number,
    nextHeader: number,
    framing: EspFraming,
  ): number;

  /**
   * As `open`, for IP packets behind the headers of `framing`: these go, and in a `dst` with virtio headers packets that follow each
   * other in a flow are joined. Accepted payloads that have other headers are appended to `others` as `open` gives them.
   *
   * @param others a batch without virtio headers
   * @param join bits of `Join`. @default Join.tcp
   */
  openFramed(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    others: PacketBatch,
    replay: EspReplayWindow,
    nextHeader: number,
    report: Uint32Array,
    framing: EspFraming,
    join?: number,
  ): number;

  /** Forgets the key. Idempotent; all calls throw afterwards. */
  close(): void;
}

/** Throws TypeError for algorithms that do not exist, keys of another length, and an SPI below 256. */
export function createEspKey(options: EspKeyOptions): EspKey {
  const { algorithms, keys } = options;
  checkAlgorithms(algorithms);
  const lengths = espKeyLengths(algorithms);
  if (keys.encryptionKey.length !== lengths.encryption || keys.integrityKey.length !== lengths.integrity)
    throw new TypeError(`${algorithms.encryption} takes keys of ${lengths.encryption} and ${lengths.integrity} bytes`);
  if (!Number.isInteger(keys.spi) || keys.spi < 256 || keys.spi > 0xffff_ffff)
    throw new TypeError('an SPI is 256 to 4294967295');
  const native = options.implementation === 'portable' ? undefined : nativeOr(options.implementation === undefined);
  return native === undefined ? new PortableEspKey(options) : new NativeEspKey(native, options);
}

function checkAlgorithms(algorithms: EspAlgorithms): void {
  const sizes = keySizes[algorithms.encryption];
  if (sizes === undefined || !sizes.includes(algorithms.keyBytes)) throw new TypeError('unknown encryption of ESP');
  if (algorithms.encryption !== 'aes-gcm-16' && integrityForms[algorithms.integrity] === undefined)
    throw new TypeError('unknown integrity of ESP');
}

const keySizes: Readonly<Record<EspAlgorithms['encryption'], readonly number[]>> = {
  'aes-gcm-16': [16, 24, 32],
  'aes-cbc': [16, 24, 32],
  '3des-cbc': [24],
};
