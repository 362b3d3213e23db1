/** How a CA begins: its key, its root certificate, its first CRL, and how long things last. */
import type { WallClock } from '@culvert/base';
import { exportPrivateKey, generateKeyPair, type KeyAlgorithm } from './algorithms.ts';
import { createRoot, type Signer, validityFrom } from './certificate.ts';
import { createCrl } from './crl.ts';
import type { Authority } from './database.ts';
import { PkiError } from './errors.ts';
import { encodePem } from './pem.ts';
import { seal } from './seal.ts';

/** Lifetimes in days, where nothing else is asked for. */
export const defaultDays = {
  /** The root is in every profile; replacing it means touching every client. */
  ca: 3650,
  /** Under the 825 days that Apple's TLS accepts; a server's administrator can renew. */
  server: 730,
  /** A client that nobody renews is one that nobody misses. */
  client: 365,
  /** Long enough that a CA which lies in a drawer locks nobody out, renewed at every revocation. */
  crl: 180,
} as const;
const MAX_DAYS = 36_500;

export interface CreateOptions {
  /** The common name of the root. */
  readonly name: string;
  readonly organization?: string;
  /** @default 3650 */
  readonly days?: number;
  /** How long each CRL is valid. @default 180 */
  readonly crlDays?: number;
  /** @default 'ec-p256' */
  readonly algorithm?: KeyAlgorithm;
  /** Seals the CA key; undefined leaves it to the mode of the file alone. */
  readonly passphrase: string | undefined;
  /** The key file with which gateways open the wrapped keys of clients; kept as it is. */
  readonly tlsCryptV2ServerKey: string;
  readonly clock: WallClock;
}

/** Everything that a new CA begins with. */
export async function newAuthority(options: CreateOptions): Promise<Authority> {
  const algorithm = options.algorithm ?? 'ec-p256';
  const now = options.clock.unixMillis();
  const crlDays = checkDays(options.crlDays ?? defaultDays.crl);
  const validity = validityFrom(now, checkDays(options.days ?? defaultDays.ca));
  const keys = await generateKeyPair(algorithm);
  const root = await createRoot({ name: options.name, organization: options.organization, keys, algorithm, validity });
  return {
    name: options.name,
    algorithm,
    certificate: encodePem('CERTIFICATE', new Uint8Array(root.rawData)),
    privateKey: await protect(await exportPrivateKey(keys.privateKey), options.passphrase),
    sealed: options.passphrase !== undefined,
    tlsCryptV2ServerKey: options.tlsCryptV2ServerKey,
    crlDays,
    crlNumber: 1,
    // A CA has a CRL from its first day, so that gateways can demand one.
    crl: await newCrl({ certificate: root, key: keys.privateKey, algorithm }, 1, now, crlDays, []),
  };
}

/** A CRL that is valid for `days` from `now`. */
export function newCrl(
  signer: Signer,
  number: number,
  now: number,
  days: number,
  revoked: Parameters<typeof createCrl>[0]['revoked'],
): Promise<string> {
  const { notBefore, notAfter } = validityFrom(now, days);
  return createCrl({ signer, number, thisUpdate: notBefore, nextUpdate: notAfter, revoked });
}

/** The key as the database holds it; `pkcs8` is erased. */
export async function protect(pkcs8: Uint8Array, passphrase: string | undefined): Promise<string> {
  const text = passphrase === undefined ? encodePem('PRIVATE KEY', pkcs8) : await seal(pkcs8, passphrase);
  pkcs8.fill(0);
  return text;
}

/** `days` if it is a possible lifetime. Throws PkiError. */
export function checkDays(days: number): number {
  if (Number.isInteger(days) && days >= 1 && days <= MAX_DAYS) return days;
  throw new PkiError('CULVERT_PKI_LIFETIME', `${days} days; it is a whole number from 1 to ${MAX_DAYS}`);
}
