/** Loads the binary that scripts/build-native makes. */
import { createRequire } from 'node:module';
import { CipherError } from './errors.ts';

/** A key inside the binary; only the binary looks into it. */
export interface NativeKey {
  readonly native: unique symbol;
}

/** An MPPE key inside the binary. */
export interface NativeMppe {
  readonly mppe: unique symbol;
}

/** An ESP key inside the binary. */
export interface NativeEsp {
  readonly esp: unique symbol;
}

/** A batch's arrays inside the binary. */
export interface NativeBatch {
  readonly batch: unique symbol;
}

/**
 * The calls of packages/cipher/native. Those over batches return the index of the first packet that was not consumed, or: -1 out of bounds, -2 closed, -3 the cipher failed.
 */
export interface Native {
  /**
   * Reads pointers and lengths of a batch's arrays, once. To be made anew before any of them is detached or shrinks.
   *
   * @param cursor [dst.count, dst.used, malformed, oversized], before and after each call that fills the batch
   */
  bindBatch(
    arena: Uint8Array,
    offsets: Uint32Array,
    lengths: Uint32Array,
    tags: Uint32Array,
    cursor: Uint32Array,
  ): NativeBatch;
  /** @param engine 0: the best; 1: OpenSSL; 2 and up: what `aesGcmEngines` lists */
  openvpnAeadCreate(
    cipher: number,
    key: Uint8Array,
    implicitIv: Uint8Array,
    headerLength: number,
    engine: number,
  ): NativeKey;
  /** @param virtio 1: packets of src lie behind virtio headers and are cut */
  openvpnAeadSeal(
    key: NativeKey,
    src: NativeBatch,
    dst: NativeBatch,
    first: number,
    count: number,
    virtio: number,
    header: number,
    packetId: number,
  ): number;
  openvpnAeadOpen(key: NativeKey, src: NativeBatch, dst: NativeBatch, first: number, count: number): number;
  /** @param virtio 1: packets of dst get virtio headers and may be joined */
  openvpnAeadOpenTrain(
    key: NativeKey,
    src: NativeBatch,
    dst: NativeBatch,
    first: number,
    count: number,
    virtio: number,
    join: number,
    replay: Uint32Array,
    report: Uint32Array,
  ): number;
  openvpnAeadClose(key: NativeKey): void;
  /** Fills `tagged` (tag and ciphertext). False: OpenSSL failed. */
  tlsCryptSeal(key: Uint8Array, head: Uint8Array, tagged: Uint8Array, plain: Uint8Array): boolean;
  /** Fills `plain`, or wipes it and returns false for what is not authentic. */
  tlsCryptOpen(key: Uint8Array, head: Uint8Array, tagged: Uint8Array, plain: Uint8Array): boolean;
  /**
   * Fills `signature`. False: no elliptic curve's key, another length than r and s of it have, no digest of SHA-2, or OpenSSL failed.
   *
   * @param key PKCS#8 in DER
   */
  ecdsaSign(key: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean;
  /** @param key SubjectPublicKeyInfo in DER */
  ecdsaVerify(key: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean;
  /** @param framing 1: without address and control, 2: with a short protocol field */
  mppeCreate(strength: number, startKey: Uint8Array, framing: number, headroom: number): NativeMppe;
  /** @param virtio 1: packets of src lie behind virtio headers and are cut */
  mppeSeal(key: NativeMppe, src: NativeBatch, dst: NativeBatch, first: number, count: number, virtio: number): number;
  /** @param virtio 1: packets of dst get virtio headers and may be joined */
  mppeOpenTrain(
    key: NativeMppe,
    src: NativeBatch,
    dst: NativeBatch,
    first: number,
    count: number,
    virtio: number,
    join: number,
    report: Uint32Array,
  ): number;
  /** False: the key is closed. */
  mppeSkip(key: NativeMppe, count: number): boolean;
  mppeClose(key: NativeMppe): void;
  /**
   * @param encryption 0: AES-GCM, 1: AES-CBC, 2: 3DES-CBC
   * @param integrity of CBC; 0: HMAC-SHA1-96, 1: SHA2-256-128, 2: SHA2-256-96, 3: SHA2-384-192, 4: SHA2-512-256
   * @param encryptionKey with GCM's salt
   */
  espCreate(
    encryption: number,
    integrity: number,
    spi: number,
    encryptionKey: Uint8Array,
    integrityKey: Uint8Array,
    esn: number,
    engine: number,
  ): NativeEsp;
  espSeal(
    key: NativeEsp,
    src: NativeBatch,
    dst: NativeBatch,
    first: number,
    count: number,
    sequenceLow: number,
    sequenceHigh: number,
    nextHeader: number,
  ): number;
  espOpen(
    key: NativeEsp,
    src: NativeBatch,
    dst: NativeBatch,
    first: number,
    count: number,
    replay: Uint32Array,
    nextHeader: number,
    report: Uint32Array,
  ): number;
  /**
   * @param virtio 1: packets of src lie behind virtio headers and are cut
   * @param framing `form` of an EspFraming
   */
  espSealFramed(
    key: NativeEsp,
    src: NativeBatch,
    dst: NativeBatch,
    first: number,
    count: number,
    virtio: number,
    sequenceLow: number,
    sequenceHigh: number,
    nextHeader: number,
    framing: Uint8Array,
  ): number;
  /** @param virtio 1: packets of dst get virtio headers and may be joined */
  espOpenFramed(
    key: NativeEsp,
    src: NativeBatch,
    dst: NativeBatch,
    first: number,
    count: number,
    virtio: number,
    join: number,
    others: NativeBatch,
    replay: Uint32Array,
    nextHeader: number,
    report: Uint32Array,
    framing: Uint8Array,
  ): number;
  espClose(key: NativeEsp): void;
  /** Name, and whether it passed its self-test, of each engine of AES-GCM; the name is empty where the processor lacks it. */
  aesGcmEngines(): (string | boolean)[];
  /** @param flip bit of the expected tag to turn, which must fail; 128: none */
  aesGcmSelfTest(engine: number, flip: number): boolean;
  /** One packet, for tests. False when it opens and is not authentic. */
  aesGcm(
    engine: number,
    seal: number,
    key: Uint8Array,
    nonce: Uint8Array,
    ad: Uint8Array,
    input: Uint8Array,
    output: Uint8Array,
    tag: Uint8Array,
  ): boolean;
  segmentTrains(src: NativeBatch, dst: NativeBatch, first: number, count: number): number;
  joinTrains(src: NativeBatch, dst: NativeBatch, first: number, count: number, join: number): number;
}

/** The binary. Throws CULVERT_CIPHER_NATIVE, with the loader's error as its cause, where it is missing or does not fit. */
export function loadNative(): Native {
  try {
    return createRequire(import.meta.url)('../build/cipher.node') as Native;
  } catch (cause) {
    throw new CipherError('CULVERT_CIPHER_NATIVE', undefined, { cause });
  }
}

/** The binary; undefined where it does not load and `optional` allows that. */
export function nativeOr(optional: boolean): Native | undefined {
  try {
    return loadNative();
  } catch (error) {
    if (optional && error instanceof CipherError) return undefined;
    throw error;
  }
}
