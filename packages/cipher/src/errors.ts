import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_CIPHER_NATIVE: 'the native part of the cipher package does not load; scripts/build-native builds it',
  CULVERT_CIPHER_CLOSED: 'the key was closed',
  CULVERT_CIPHER_FAILED: 'the cipher failed',
} as const;

/** Our fault or the installation's. A packet that fails authentication is no error: it is a slot of length 0. */
export class CipherError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'CipherError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
