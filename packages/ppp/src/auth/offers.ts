/** The methods of authentication that a session may be given, by name: what `PppSession` takes as `auth`. */
import type { RandomSource } from '@culvert/base';
import type { AuthOffer } from '../face.ts';
import { PppProtocol } from '../protocol.ts';
import { ChapClient } from './chap-client.ts';
import { ChapServer } from './chap-server.ts';
import { PapClient, PapServer } from './pap.ts';

/** As LCP's option 3 names them (RFC 1661, section 6.2; RFC 2759, section 1). */
const names = {
  pap: { name: 'pap', protocol: PppProtocol.pap },
  'chap-md5': { name: 'chap-md5', protocol: PppProtocol.chap, algorithm: 5 },
  mschapv2: { name: 'mschapv2', protocol: PppProtocol.chap, algorithm: 0x81 },
} as const;

export type AuthMethod = keyof typeof names;

/** PAP shows the password to whoever carries the link, and CHAP with MD5 needs it in the clear at the server: both must be asked for. */
const usual: readonly AuthMethod[] = ['mschapv2'];

export interface ServerAuthOptions {
  readonly random: RandomSource;
  /** Our own name, which peers may show. */
  readonly name: string;
  /** The best first. @default MS-CHAPv2 alone */
  readonly methods?: readonly AuthMethod[] | undefined;
}

export interface ClientAuthOptions {
  readonly random: RandomSource;
  readonly username: string;
  readonly password: string;
  /** The best first. @default MS-CHAPv2 alone */
  readonly methods?: readonly AuthMethod[] | undefined;
}

/** How a server may ask its peers to prove themselves. */
export function serverAuth({ random, name, methods = usual }: ServerAuthOptions): AuthOffer[] {
  const create = {
    pap: () => new PapServer(),
    'chap-md5': () => new ChapServer({ algorithm: 'md5', name, random }),
    mschapv2: () => new ChapServer({ algorithm: 'mschapv2', name, random }),
  };
  return methods.map((method) => ({ ...names[method], create: create[method] }));
}

/** How a client may prove itself. Throws RangeError for a name or password that PAP cannot carry, where PAP is among the methods. */
export function clientAuth({ random, username, password, methods = usual }: ClientAuthOptions): AuthOffer[] {
  const create = {
    pap: () => new PapClient({ username, password }),
    'chap-md5': () => new ChapClient({ algorithm: 'md5', username, password, random }),
    mschapv2: () => new ChapClient({ algorithm: 'mschapv2', username, password, random }),
  };
  if (methods.includes('pap')) create.pap();
  return methods.map((method) => ({ ...names[method], create: create[method] }));
}
