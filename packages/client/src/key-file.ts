/** The key files of tls-crypt and tls-crypt-v2, as OpenVPN writes them. */
import type { ProfileFile, ProfileWrap } from '@culvert/config';
import type { ClientWrap } from '@culvert/openvpn';
import { ClientError } from './errors.ts';

const STATIC_KEY_BYTES = 256;
/** Net length, tag of 32 bytes, and at most 733 bytes of base64 metadata (openvpn's doc/tls-crypt-v2.txt). */
const MAX_WRAPPED_BYTES = 1024;
const MIN_WRAPPED_BYTES = STATIC_KEY_BYTES + 32 + 2;

/** Throws ClientError CULVERT_CLIENT_PROFILE for a file that is not such a key. */
export function clientWrap(wrap: ProfileWrap): ClientWrap {
  switch (wrap.kind) {
    case 'none':
      return { kind: 'none' };
    case 'tls-auth':
      throw new ClientError('CULVERT_CLIENT_PROFILE', 'tls-auth is not supported yet; tls-crypt and tls-crypt-v2 are');
    case 'tls-crypt':
      return { kind: 'tls-crypt', key: staticKey(textOf(wrap.key)) };
    case 'tls-crypt-v2':
      return { kind: 'tls-crypt-v2', ...wrappedKey(textOf(wrap.key)) };
  }
}

function textOf(file: ProfileFile): string {
  if (file.kind === 'inline') return file.text;
  throw new ClientError('CULVERT_CLIENT_PROFILE', `${file.path} was not read`);
}

/** 16 lines of 32 hexadecimal digits. */
function staticKey(text: string): Uint8Array {
  const hex = between(text, 'OpenVPN Static key V1');
  const key = Buffer.from(hex, 'hex');
  if (!/^[0-9a-fA-F]+$/.test(hex) || key.length !== STATIC_KEY_BYTES) {
    throw new ClientError('CULVERT_CLIENT_PROFILE', 'the tls-crypt key does not have 512 hexadecimal digits');
  }
  return new Uint8Array(key);
}

function wrappedKey(text: string): { clientKey: Uint8Array; wrapped: Uint8Array } {
  const bytes = new Uint8Array(Buffer.from(between(text, 'OpenVPN tls-crypt-v2 client key'), 'base64'));
  const wrapped = bytes.slice(STATIC_KEY_BYTES);
  if (wrapped.length < MIN_WRAPPED_BYTES || wrapped.length > MAX_WRAPPED_BYTES) {
    throw new ClientError('CULVERT_CLIENT_PROFILE', `the tls-crypt-v2 key has ${bytes.length} bytes, which none has`);
  }
  return { clientKey: bytes.slice(0, STATIC_KEY_BYTES), wrapped };
}

function between(text: string, label: string): string {
  const begin = text.indexOf(`-----BEGIN ${label}-----`);
  const end = text.indexOf(`-----END ${label}-----`);
  if (begin < 0 || end < begin)
    throw new ClientError('CULVERT_CLIENT_PROFILE', `there is no "BEGIN ${label}" in the key`);
  return text.slice(text.indexOf('\n', begin), end).replaceAll(/\s/g, '');
}
