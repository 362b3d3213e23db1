/** PEM (RFC 7468): base64 between labels, 64 characters a line. */
import { PkiError } from './errors.ts';

export function encodePem(label: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/** The first block with `label` in `text`; what stands around it is left alone. Throws PkiError. */
export function decodePem(label: string, text: string): Uint8Array<ArrayBuffer> {
  const begin = `-----BEGIN ${label}-----`;
  const start = text.indexOf(begin);
  const end = text.indexOf(`-----END ${label}-----`, start);
  if (start < 0 || end < 0) throw new PkiError('CULVERT_PKI_FORMAT', `no PEM block "${label}"`);
  const base64 = text.slice(start + begin.length, end).replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) {
    throw new PkiError('CULVERT_PKI_FORMAT', `the PEM block "${label}" is not base64`);
  }
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}
