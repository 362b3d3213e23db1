/** Certificates, keys and labels of PEM texts that the configuration names. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { doubt, type Finding, mistake } from './finding.ts';
import type { KeyPath } from './yaml-source.ts';

/** Certificates this close to their end are worth a word. */
const expiresSoonDays = 14;
const dayMillis = 86_400_000;

/** Checks every certificate of a PEM text; the first of them is the leaf. */
export function checkCertificates(
  path: KeyPath,
  text: string,
  nowMillis: number,
  findings: Finding[],
): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) findings.push(mistake(path, 'no certificate in it', 'PEM: -----BEGIN CERTIFICATE-----'));
  const certificates: X509Certificate[] = [];
  for (const block of blocks) {
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      findings.push(mistake(path, 'a certificate that cannot be decoded', 'PEM that is whole'));
    }
  }
  for (const certificate of certificates) findings.push(...checkValidity(path, certificate, nowMillis));
  return certificates;
}

function checkValidity(path: KeyPath, certificate: X509Certificate, nowMillis: number): Finding[] {
  const who = commonName(certificate);
  const left = certificate.validToDate.getTime() - nowMillis;
  const day = (date: Date) => date.toISOString().slice(0, 10);
  if (left < 0) return [mistake(path, `${who}, expired on ${day(certificate.validToDate)}`, 'a certificate in force')];
  if (certificate.validFromDate.getTime() > nowMillis) {
    return [
      mistake(
        path,
        `${who}, not valid before ${day(certificate.validFromDate)}`,
        'a certificate in force (is the clock right?)',
      ),
    ];
  }
  if (left > expiresSoonDays * dayMillis) return [];
  return [
    doubt(
      path,
      `${who}, which expires on ${day(certificate.validToDate)}`,
      'a certificate that lasts longer: renew it',
    ),
  ];
}

/** `leaf` is the certificate that the key should belong to, which lies under the key `certificate` beside it. */
export function checkPrivateKey(
  path: KeyPath,
  text: string,
  leaf: X509Certificate | undefined,
  findings: Finding[],
): void {
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    const encrypted = /ENCRYPTED/.test(text);
    findings.push(
      mistake(
        path,
        encrypted ? 'a key sealed with a passphrase' : 'no private key in it',
        'a private key in PEM, without a passphrase',
      ),
    );
    return;
  }
  if (leaf !== undefined && !leaf.checkPrivateKey(key)) {
    const certificate = [...path.slice(0, -1), 'certificate'].join('.');
    findings.push(mistake(path, 'the key of another certificate', `the key of ${certificate} (${commonName(leaf)})`));
  }
}

export function checkLabel(path: KeyPath, text: string, label: string, findings: Finding[]): void {
  if (!text.includes(label)) findings.push(mistake(path, 'something else in the file', `a file with ${label}`));
}

/** node:crypto has no subject where it is empty (RFC 5280, section 4.2.1.6). */
export function commonName({ subject }: Partial<X509Certificate>): string {
  return subject?.match(/^CN=.*$/m)?.[0] ?? 'a certificate';
}
