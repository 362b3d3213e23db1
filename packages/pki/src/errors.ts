import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_PKI_NAME: 'not a name that a certificate can carry',
  CULVERT_PKI_EXISTS: 'this directory holds a CA already',
  CULVERT_PKI_MISSING: 'this directory holds no CA',
  CULVERT_PKI_MODE: 'others than the owner have access to the CA',
  CULVERT_PKI_DAMAGED: 'the CA database is damaged',
  CULVERT_PKI_VERSION: 'the CA database was written by a newer version',
  CULVERT_PKI_BUSY: 'another process is using the CA',
  CULVERT_PKI_WRITE: 'the CA could not be written; nothing was changed',
  CULVERT_PKI_PUBLISH: 'recorded, but the copy in a file could not be written',
  CULVERT_PKI_LOCKED: 'the CA key is sealed and no passphrase was given',
  CULVERT_PKI_PASSPHRASE: 'the passphrase does not open the CA key',
  CULVERT_PKI_TAKEN: 'a valid certificate has this name',
  CULVERT_PKI_UNKNOWN: 'no such certificate',
  CULVERT_PKI_LIFETIME: 'not a lifetime that this CA can give',
  CULVERT_PKI_KEY_GONE: 'the CA no longer holds the private key of this certificate',
  CULVERT_PKI_FORMAT: 'not in the format that it should have',
} as const;

export class PkiError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'PkiError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
