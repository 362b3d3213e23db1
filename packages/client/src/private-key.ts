/** Private keys of profiles, sealed with a passphrase or not. */
import { createPrivateKey } from 'node:crypto';
import { ClientError } from './errors.ts';

/** Whether a key in PEM needs a passphrase. */
export function isSealed(pem: string): boolean {
  return /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(pem);
}

/** The key as PKCS#8 in PEM. Throws ClientError CULVERT_CLIENT_CREDENTIALS. */
export function openKey(pem: string, passphrase: string): string {
  try {
    return createPrivateKey({ key: pem, format: 'pem', passphrase })
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();
  } catch {
    // OpenSSL's words add nothing that helps, and the usual cause is this one.
    throw new ClientError('CULVERT_CLIENT_CREDENTIALS', 'the passphrase does not open the private key');
  }
}
