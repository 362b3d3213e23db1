/** What a certificate may be called: the name is a user name, a file name and part of log lines too. */
import { isIP } from 'node:net';
import { PkiError } from './errors.ts';

/** X.520's upper bound of a common name, and OpenVPN's of a user name. */
const MAX_NAME_BYTES = 64;

/** The name in NFC. Throws PkiError for one that could be mistaken for something else, or forge lines or paths. */
export function checkName(name: string): string {
  const reject = (why: string) => new PkiError('CULVERT_PKI_NAME', `${JSON.stringify(name.slice(0, 80))} ${why}`);
  const normal = name.normalize('NFC');
  if (normal === '') throw reject('is empty');
  if (Buffer.byteLength(normal) > MAX_NAME_BYTES) throw reject(`has more than ${MAX_NAME_BYTES} bytes`);
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(normal)) throw reject('has control or invisible characters');
  if (/[/\\]/.test(normal)) throw reject('has a slash');
  if (normal.trim() !== normal) throw reject('begins or ends with a space');
  if (/^[-.]/.test(normal)) throw reject('begins with a dash or a dot');
  if (isSerial(normal)) throw reject('looks like a serial number');
  return normal;
}

/** Whether `text` has the form of this CA's serial numbers: 32 hexadecimal digits. */
export function isSerial(text: string): boolean {
  return /^[0-9a-f]{32}$/i.test(text);
}

export interface SubjectAltName {
  readonly type: 'dns' | 'ip';
  readonly value: string;
}

/** `vpn.example.com`, `192.0.2.1`, or the same with `dns:` or `ip:` in front. Throws PkiError. */
export function parseSubjectAltName(text: string): SubjectAltName {
  const [, type, value = ''] = /^(?:(dns|ip):)?(.*)$/is.exec(text) ?? [];
  if (type?.toLowerCase() !== 'dns' && isIP(value) !== 0) return { type: 'ip', value };
  if (type?.toLowerCase() !== 'ip' && isDnsName(value)) return { type: 'dns', value: value.toLowerCase() };
  throw new PkiError(
    'CULVERT_PKI_NAME',
    `${JSON.stringify(text.slice(0, 80))} is neither a DNS name nor an IP address`,
  );
}

export function isDnsName(text: string): boolean {
  return /^(?=.{1,253}$)(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(
    text,
  );
}
