import { CipherError } from '../errors.ts';
import type { Native } from '../native.ts';
import { checkLengths } from './lengths.ts';
import type { TlsCrypt } from './tls-crypt.ts';

export class NativeTlsCrypt implements TlsCrypt {
  readonly implementation = 'native';
  readonly #native: Native;

  constructor(native: Native) {
    this.#native = native;
  }

  seal(key: Uint8Array, head: Uint8Array, plain: Uint8Array, tagged: Uint8Array): void {
    checkLengths(key, tagged, plain);
    if (!this.#native.tlsCryptSeal(key, head, tagged, plain)) throw new CipherError('CULVERT_CIPHER_FAILED');
  }

  open(key: Uint8Array, head: Uint8Array, tagged: Uint8Array, plain: Uint8Array): boolean {
    checkLengths(key, tagged, plain);
    return this.#native.tlsCryptOpen(key, head, tagged, plain);
  }
}
