/** The files that the configuration names: there, readable, what they should be, closed to strangers, and fitting each other. */
import type { X509Certificate } from 'node:crypto';
import { checkCertificates, checkLabel, checkPrivateKey, commonName } from './check-certificates.ts';
import { checkL2tpIpsecFiles } from './check-l2tp-ipsec.ts';
import { doubt, type Finding, mistake } from './finding.ts';
import type { GatewayConfig } from './gateway-schema.ts';
import type { KeyPath } from './yaml-source.ts';

/** Reads one file of the configuration. Throws the system's error. */
export type ReadInput = (path: string) => {
  readonly text: string;
  /** Undefined where nobody but us could open it. */
  readonly mode: number | undefined;
  /** The user whom the gateway will run as, where that one cannot read the file though we can. */
  readonly closedTo?: string;
};

/** The text of a file, checked for who may read it; undefined, with a finding, where it cannot be read. */
export type OpenFile = (path: KeyPath, file: string, secret: boolean) => string | undefined;

/** `nowMillis` is Unix time. */
export function checkFiles(config: GatewayConfig, read: ReadInput, nowMillis: number): Finding[] {
  const findings: Finding[] = [];
  const open: OpenFile = (path, file, secret) => readInput(path, file, secret, read, findings);
  const ca = open(['tls', 'ca'], config.tls.ca, false);
  if (ca !== undefined) checkCertificates(['tls', 'ca'], ca, nowMillis, findings);
  const certificate = open(['tls', 'certificate'], config.tls.certificate, false);
  const chain =
    certificate === undefined ? [] : checkCertificates(['tls', 'certificate'], certificate, nowMillis, findings);
  const key = open(['tls', 'privateKey'], config.tls.privateKey, true);
  if (key !== undefined) checkPrivateKey(['tls', 'privateKey'], key, chain[0], findings);
  if (chain[0] !== undefined) checkServerUse(chain[0], findings);
  const crl = config.tls.crl && open(['tls', 'crl', 'file'], config.tls.crl.file, false);
  if (crl !== undefined) checkLabel(['tls', 'crl', 'file'], crl, '-----BEGIN X509 CRL-----', findings);
  checkWrap(config, open, findings);
  checkL2tpIpsecFiles(config, open, nowMillis, findings);
  return findings;
}

function checkWrap(config: GatewayConfig, open: OpenFile, findings: Finding[]): void {
  const wrap = config.transports.openvpn.wrap;
  if (wrap === 'none') return;
  for (const key of ['tlsCryptV2', 'tlsCrypt'] as const) {
    const file = wrap[key];
    const path = ['transports', 'openvpn', 'wrap', key];
    const text = file && open(path, file, true);
    if (text !== undefined) checkLabel(path, text, wrapLabels[key], findings);
  }
}

const wrapLabels = {
  tlsCryptV2: '-----BEGIN OpenVPN tls-crypt-v2 server key-----',
  tlsCrypt: '-----BEGIN OpenVPN Static key V1-----',
} as const;

function readInput(
  path: KeyPath,
  file: string,
  secret: boolean,
  read: ReadInput,
  findings: Finding[],
): string | undefined {
  try {
    const { text, mode, closedTo } = read(file);
    if (closedTo !== undefined) findings.push(doubt(path, `${file}, closed to user ${closedTo}`, readableBy(file)));
    if (secret && mode !== undefined && (mode & 0o027) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      findings.push(
        mistake(
          path,
          `${file} with mode ${octal}`,
          `mode 0600, or 0640 for a group that may read it: chmod g-w,o-rwx ${file}`,
        ),
      );
    }
    return text;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      { ENOENT: 'no such file', EACCES: 'no permission to read it', EISDIR: 'a directory' }[code ?? ''] ?? message;
    findings.push(mistake(path, `${file} (${why})`, code === 'EACCES' ? readableBy(file) : 'a file that can be read'));
    return undefined;
  }
}

/** What to do about a file that the gateway cannot open, once it is not root. */
export function readableBy(file: string): string {
  return `a file that the service’s group may read: chgrp culvert ${file} && chmod 640 ${file}`;
}

/** OpenVPN's `remote-cert-tls server` wants the extended key usage, and our client too. */
function checkServerUse(leaf: X509Certificate, findings: Finding[]): void {
  if (leaf.keyUsage?.includes('1.3.6.1.5.5.7.3.1')) return;
  findings.push(
    doubt(
      ['tls', 'certificate'],
      `${commonName(leaf)} without serverAuth`,
      'extended key usage serverAuth: clients refuse it otherwise',
    ),
  );
}
