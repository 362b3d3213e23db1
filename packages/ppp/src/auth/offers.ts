/** The methods of authentication that a session may be given, by name: what `PppSession` takes as `auth`. */
import type { RandomSource } from '@culvert/base';
import type { TlsContext } from '@culvert/tls';
import type { AuthOffer } from '../face.ts';
import { PppProtocol } from '../protocol.ts';
import { ChapClient } from './chap-client.ts';
import { ChapServer } from './chap-server.ts';
import { EapClient, type EapClientOffer } from './eap-client.ts';
import { EapMd5Client, EapMd5Server } from './eap-md5.ts';
import { EapMsChapV2Client, EapMsChapV2Server } from './eap-mschapv2.ts';
import { EapType } from './eap-packet.ts';
import { EapServer, type EapServerOffer } from './eap-server.ts';
import { EapTlsClient, EapTlsServer } from './eap-tls.ts';
import { PapClient, PapServer } from './pap.ts';

/** As LCP's option 3 names them (RFC 1661, section 6.2; RFC 2759, section 1). */
const names = {
  pap: { name: 'pap', protocol: PppProtocol.pap },
  'chap-md5': { name: 'chap-md5', protocol: PppProtocol.chap, algorithm: 5 },
  mschapv2: { name: 'mschapv2', protocol: PppProtocol.chap, algorithm: 0x81 },
  eap: { name: 'eap', protocol: PppProtocol.eap },
} as const;

export type AuthMethod = keyof typeof names;
export type EapMethod = 'tls' | 'mschapv2' | 'md5';

/** PAP shows the password to whoever carries the link, and CHAP with MD5 needs it in the clear at the server: both must be asked for. */
const usual: readonly AuthMethod[] = ['mschapv2'];

export interface ServerAuthOptions {
  readonly random: RandomSource;
  /** Our own name, which peers may show. */
  readonly name: string;
  /** The best first. @default MS-CHAPv2 alone */
  readonly methods?: readonly AuthMethod[] | undefined;
  /** Inside EAP, where that is a method. @default TLS where there is a context, then MS-CHAPv2 */
  readonly eap?: readonly EapMethod[] | undefined;
  /** Asks for certificates, and has the policy for them. */
  readonly tls?: TlsContext | undefined;
}

export interface ClientAuthOptions {
  readonly random: RandomSource;
  readonly username: string;
  readonly password: string;
  /** The best first. @default MS-CHAPv2 alone */
  readonly methods?: readonly AuthMethod[] | undefined;
  /** Inside EAP, where that is a method. @default TLS where there is a context, then MS-CHAPv2 */
  readonly eap?: readonly EapMethod[] | undefined;
  /** With our certificate, and the policy for the server's. */
  readonly tls?: TlsContext | undefined;
}

/** How a server may ask its peers to prove themselves. Throws TypeError where EAP is to use TLS, and there is no context. */
export function serverAuth(options: ServerAuthOptions): AuthOffer[] {
  const { random, name, methods = usual } = options;
  const eap = methods.includes('eap') ? eapServerOffers(options) : [];
  const create = {
    pap: () => new PapServer(),
    'chap-md5': () => new ChapServer({ algorithm: 'md5', name, random }),
    mschapv2: () => new ChapServer({ algorithm: 'mschapv2', name, random }),
    eap: () => new EapServer({ random, methods: eap }),
  };
  return methods.map((method) => ({ ...names[method], create: create[method] }));
}

/**
 * How a client may prove itself. Throws RangeError for a name or password that PAP cannot carry, where PAP is among the methods, and
 * TypeError where EAP is to use TLS, and there is no context.
 */
export function clientAuth(options: ClientAuthOptions): AuthOffer[] {
  const { random, username, password, methods = usual } = options;
  const eap = methods.includes('eap') ? eapClientOffers(options) : [];
  const create = {
    pap: () => new PapClient({ username, password }),
    'chap-md5': () => new ChapClient({ algorithm: 'md5', username, password, random }),
    mschapv2: () => new ChapClient({ algorithm: 'mschapv2', username, password, random }),
    eap: () => new EapClient({ identity: username, methods: eap }),
  };
  if (methods.includes('pap')) create.pap();
  return methods.map((method) => ({ ...names[method], create: create[method] }));
}

function eapServerOffers({ random, name, eap, tls }: ServerAuthOptions): EapServerOffer[] {
  const offers: Readonly<Record<EapMethod, () => EapServerOffer>> = {
    tls: () => {
      const context = needed(tls);
      return { type: EapType.tls, create: (identity) => new EapTlsServer({ identity, tls: context }) };
    },
    mschapv2: () => ({ type: EapType.mschapv2, create: () => new EapMsChapV2Server({ name, random }) }),
    md5: () => ({ type: EapType.md5, create: (identity) => new EapMd5Server({ identity, name, random }) }),
  };
  return (eap ?? usualInside(tls)).map((method) => offers[method]());
}

function eapClientOffers({ random, username, password, eap, tls }: ClientAuthOptions): EapClientOffer[] {
  const offers: Readonly<Record<EapMethod, () => EapClientOffer>> = {
    tls: () => {
      const context = needed(tls);
      return { type: EapType.tls, create: () => new EapTlsClient({ tls: context }) };
    },
    mschapv2: () => ({ type: EapType.mschapv2, create: () => new EapMsChapV2Client({ username, password, random }) }),
    md5: () => ({ type: EapType.md5, create: () => new EapMd5Client({ username, password }) }),
  };
  return (eap ?? usualInside(tls)).map((method) => offers[method]());
}

function usualInside(tls: TlsContext | undefined): readonly EapMethod[] {
  return tls === undefined ? ['mschapv2'] : ['tls', 'mschapv2'];
}

function needed(tls: TlsContext | undefined): TlsContext {
  if (tls === undefined) throw new TypeError('EAP-TLS needs a TLS context');
  return tls;
}
