import { createCipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { checkLengths } from './lengths.ts';
import type { TlsCrypt } from './tls-crypt.ts';

/** On node:crypto: the oracle of the native one, and its stand-in. */
export class PortableTlsCrypt implements TlsCrypt {
  readonly implementation = 'portable';

  seal(key: Uint8Array, head: Uint8Array, plain: Uint8Array, tagged: Uint8Array): void {
    checkLengths(key, tagged, plain);
    const tag = tagOver(key, head, plain);
    tagged.set(counter(key, tag, plain), tag.length);
    tagged.set(tag);
  }

  open(key: Uint8Array, head: Uint8Array, tagged: Uint8Array, plain: Uint8Array): boolean {
    checkLengths(key, tagged, plain);
    const tag = tagged.subarray(0, 32);
    plain.set(counter(key, tag, tagged.subarray(32)));
    const authentic = timingSafeEqual(tag, tagOver(key, head, plain));
    if (!authentic) plain.fill(0);
    return authentic;
  }
}

function tagOver(key: Uint8Array, head: Uint8Array, plain: Uint8Array): Uint8Array {
  return createHmac('sha256', key.subarray(64, 96)).update(head).update(plain).digest();
}

/** Encrypting and decrypting are the same. */
function counter(key: Uint8Array, tag: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createCipheriv('aes-256-ctr', key.subarray(0, 32), tag.subarray(0, 16)).update(bytes);
}
