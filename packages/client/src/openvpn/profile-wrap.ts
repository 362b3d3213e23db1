/** What protects the control channel, with the key of the profile. */
import { type ProfileFile, type ProfileWrap, parseStaticKey, parseTlsCryptV2ClientKey } from '@culvert/config';
import type { ClientWrap } from '@culvert/openvpn';
import { ClientError } from '../errors.ts';

/** Throws ClientError CULVERT_CLIENT_PROFILE, or ConfigError for a file that is not such a key. */
export function clientWrap(wrap: ProfileWrap): ClientWrap {
  switch (wrap.kind) {
    case 'none':
      return { kind: 'none' };
    case 'tls-auth':
      throw new ClientError('CULVERT_CLIENT_PROFILE', 'tls-auth is not supported yet; tls-crypt and tls-crypt-v2 are');
    case 'tls-crypt':
      return { kind: 'tls-crypt', key: parseStaticKey(textOf(wrap.key)) };
    case 'tls-crypt-v2':
      return { kind: 'tls-crypt-v2', ...parseTlsCryptV2ClientKey(textOf(wrap.key)) };
  }
}

function textOf(file: ProfileFile): string {
  if (file.kind === 'inline') return file.text;
  throw new ClientError('CULVERT_CLIENT_PROFILE', `${file.path} was not read`);
}
