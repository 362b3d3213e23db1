/** Keys and certificates of a profile, in whatever files they come, as texts of PEM. */
import { X509Certificate } from 'node:crypto';
import type { L2tpConnection, PemAuth, PortableAuth } from '@culvert/config';
import { ClientError } from '../errors.ts';
import type { ProfileFiles } from '../profile.ts';

type MachineAuth = L2tpConnection['machineAuth'] | PortableAuth;

/** A shared secret stays what it is. Throws ClientError CULVERT_CLIENT_PROFILE. */
export async function inlineAuth(auth: MachineAuth, files: ProfileFiles): Promise<L2tpConnection['machineAuth']> {
  if (auth.kind === 'psk' || auth.kind === 'pem') return auth;
  if (auth.kind === 'pkcs12') return fromPkcs12(auth.pkcs12, auth.password, auth.ca && pemOf(auth.ca), files);
  const { certificate, privateKey, ca, passphrase } = auth;
  const own = await files.bytes(certificate);
  // The plugin's editor writes one name three times where all is in one file.
  const others = ca === undefined || ca === certificate ? undefined : certificatesIn(ca, await files.bytes(ca));
  if (!isPem(own) && certificateIn(own) === undefined) return fromPkcs12(own, passphrase, others, files);
  if (others === undefined) throw noAuthority('vpn.machine-ca names none');
  return {
    kind: 'pem',
    certificate: certificatesIn(certificate, own),
    privateKey: keyIn(privateKey, await files.bytes(privateKey)),
    passphrase,
    ca: others,
  };
}

async function fromPkcs12(
  pkcs12: Uint8Array,
  known: string | undefined,
  ca: string | undefined,
  files: ProfileFiles,
): Promise<PemAuth> {
  const password = known ?? (await files.secret('Password of the certificate file: '));
  // It brings libraries along that nothing else needs here.
  const { readPkcs12 } = await import('@culvert/pki');
  const { certificate, privateKey, others } = readPkcs12(pkcs12, password);
  const isRoot = (pem: string) => isSelfSigned(new X509Certificate(pem));
  const authorities = ca ?? others.filter(isRoot).join('');
  if (authorities === '') throw noAuthority('the certificate file holds none, and no other names it');
  const chain = [certificate, ...others.filter((pem) => !isRoot(pem))].join('');
  return { kind: 'pem', certificate: chain, privateKey, passphrase: undefined, ca: authorities };
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

function noAuthority(found: string): ClientError {
  return new ClientError('CULVERT_CLIENT_PROFILE', `the CA of the server's certificate is needed: ${found}`);
}

function isPem(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).includes('-----BEGIN ');
}

/** Of one or several certificates in PEM, or of one in DER. */
function certificatesIn(path: string, bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString();
  const entries = text.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs);
  if (entries !== null) return entries.map((entry) => `${entry}\n`).join('');
  const single = certificateIn(bytes);
  if (single !== undefined) return single.toString();
  throw new ClientError('CULVERT_CLIENT_PROFILE', `${path} holds no certificate in PEM or DER`);
}

function certificateIn(bytes: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes);
  } catch {
    return undefined;
  }
}

function keyIn(path: string, bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString();
  const key = /-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----/s.exec(text)?.[0];
  if (key !== undefined) return `${key}\n`;
  throw new ClientError('CULVERT_CLIENT_PROFILE', `${path} holds no private key in PEM`);
}

function pemOf(der: Uint8Array): string {
  return new X509Certificate(der).toString();
}
