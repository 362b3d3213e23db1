/** Loads the binary that scripts/build-native makes. */
import { createRequire } from 'node:module';
import { CipherError } from './errors.ts';

/** A key inside the binary; only the binary looks into it. */
export interface NativeKey {
  readonly native: unique symbol;
}

type Arrays = [arena: Uint8Array, offsets: Uint32Array, lengths: Uint32Array, tags: Uint32Array];

/**
 * The calls of packages/cipher/native. `cursor` is [dst.count, dst.used], before and after. Seal and open return the
 * index of the first packet that was not consumed, or: -1 out of bounds, -2 closed, -3 the cipher failed.
 */
export interface Native {
  openvpnAeadCreate(cipher: number, key: Uint8Array, implicitIv: Uint8Array, headerLength: number): NativeKey;
  openvpnAeadSeal(
    key: NativeKey,
    cursor: Uint32Array,
    first: number,
    count: number,
    header: number,
    packetId: number,
    ...batches: [...src: Arrays, ...dst: Arrays]
  ): number;
  openvpnAeadOpen(
    key: NativeKey,
    cursor: Uint32Array,
    first: number,
    count: number,
    ...batches: [...src: Arrays, ...dst: Arrays]
  ): number;
  openvpnAeadClose(key: NativeKey): void;
}

/** The binary. Throws CULVERT_CIPHER_NATIVE, with the loader's error as its cause, where it is missing or does not fit. */
export function loadNative(): Native {
  try {
    return createRequire(import.meta.url)('../build/cipher.node') as Native;
  } catch (cause) {
    throw new CipherError('CULVERT_CIPHER_NATIVE', undefined, { cause });
  }
}
