/** Certificates for both ends, by our own CA, and what an end does with its own. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type OwnCertificate, signatureMethod, signHash, subjectOf, verifyHash } from '@culvert/ipsec';
import { CaDirectory } from '@culvert/pki';
import { systemWallClock } from '@culvert/transport';
import type { IkeEndOptions } from './ike-end.ts';

export type KeyKind = 'rsa-3072' | 'ec-p256' | 'ec-p384';

export interface Certificates {
  /** Ours, in PEM. */
  readonly files: { readonly certificate: string; readonly privateKey: string; readonly ca: string };
  /** Options of our end. */
  readonly ours: Required<Pick<IkeEndOptions, 'certificate' | 'work'>>;
  readonly ca: string;
  /** Charon's. */
  readonly certificate: string;
  readonly key: string;
}

/** @param names also in each certificate, which makes it so much longer */
export async function createCertificates(
  folder: string,
  kind: KeyKind,
  names: readonly string[] = [],
  charonIs: 'server' | 'client' = 'server',
): Promise<Certificates> {
  const name = `${kind} with ${names.length} names, strongSwan as ${charonIs}`;
  const options = { name, passphrase: 'for a minute', tlsCryptV2ServerKey: 'none', clock: systemWallClock };
  const authority = await CaDirectory.create(join(folder, name.replaceAll(/\W/g, '-')), {
    ...options,
    algorithm: kind,
  });
  const issue = (who: string, role: 'server' | 'client') =>
    authority.issue({ name: who, role, algorithm: kind, subjectAltNames: names });
  // By it charon finds its key.
  const charon = await issue(`${kind}-${names.length}.example`, charonIs);
  const ours = await issue('ours', charonIs === 'server' ? 'client' : 'server');
  const ca = authority.authority.certificate;
  const [charonsKey, oursKey] = [authority.privateKey(charon.serial), authority.privateKey(ours.serial)];
  authority.close();
  return {
    files: { certificate: ours.certificate, privateKey: oursKey ?? '', ca },
    ours: ownOf(ours.certificate, oursKey ?? '', ca),
    ca,
    certificate: charon.certificate,
    key: charonsKey ?? '',
  };
}

function ownOf(certificate: string, privateKey: string, authority: string): Certificates['ours'] {
  const key = createPrivateKey(privateKey);
  const [own, ca] = [new X509Certificate(certificate), new X509Certificate(authority)];
  const method = signatureMethod(key);
  if (method === undefined) throw new Error('IKEv1 has no use for this key');
  const mine: OwnCertificate = {
    chain: [new Uint8Array(own.raw)],
    method,
    subject: subjectOf(own.raw),
    authorities: [subjectOf(ca.raw)],
  };
  return {
    certificate: mine,
    work: (work) => {
      if (work.kind === 'sign') return signHash(work.method, key, work.hash);
      if (work.kind !== 'verify') return undefined;
      const [first] = work.certificates;
      if (first === undefined) return 'there is no certificate';
      const theirs = new X509Certificate(first);
      if (!theirs.verify(ca.publicKey)) return 'the certificate is of another authority';
      if (Buffer.compare(subjectOf(theirs.raw), work.identity.data) !== 0) return 'the identity is not its subject';
      return verifyHash(work.method, theirs.publicKey, work.hash, work.signature) || 'the signature is wrong';
    },
  };
}
