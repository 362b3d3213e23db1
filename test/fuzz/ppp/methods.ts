/** Ways to authenticate, as both ends offer them, and an admission that knows alice. */
import {
  type AuthClaim,
  type AuthMethod,
  type AuthOffer,
  clientAuth,
  type EapMethod,
  type NetworkConfig,
  ntPasswordHash,
  type PppVerdict,
  serverAuth,
  verifyMsChapV2,
} from '@culvert/ppp';
import { createFakeTlsContext, type SeededRandom, seededRandom } from '@culvert/testkit';

export const methods = ['pap', 'chap-md5', 'mschapv2', 'eap-md5', 'eap-mschapv2', 'eap-tls'] as const;
export type Method = (typeof methods)[number];

/** What both ends are given; EAP has one method inside. */
const choices: Readonly<
  Record<Method, { readonly methods: readonly AuthMethod[]; readonly eap?: readonly EapMethod[] }>
> = {
  pap: { methods: ['pap'] },
  'chap-md5': { methods: ['chap-md5'] },
  mschapv2: { methods: ['mschapv2'] },
  'eap-md5': { methods: ['eap'], eap: ['md5'] },
  'eap-mschapv2': { methods: ['eap'], eap: ['mschapv2'] },
  'eap-tls': { methods: ['eap'], eap: ['tls'] },
};

const PASSWORD = 'clientPass';
const passwordHash = ntPasswordHash(PASSWORD);

export function serverMethod(method: Method, seed: number): AuthOffer[] {
  const random = seededRandom(seed);
  return serverAuth({ random, name: 'culvert', ...choices[method], tls: tlsOf('server', random) });
}
export function clientMethod(method: Method, seed: number): AuthOffer[] {
  const random = seededRandom(seed);
  const shared = { random, username: 'alice', password: PASSWORD };
  return clientAuth({ ...shared, ...choices[method], tls: tlsOf('client', random) });
}

/** TLS in pretence, with flights of real size: OpenSSL has a fuzzer of its own, what is around it is ours. */
function tlsOf(role: 'client' | 'server', random: SeededRandom) {
  return createFakeTlsContext({ role, random, name: role === 'client' ? 'alice' : 'culvert' });
}

/** Only a right MS-CHAPv2 response has keys; whoever shows another proof is believed. */
export function judge(claim: AuthClaim, network: NetworkConfig): PppVerdict {
  if (claim.method !== 'mschapv2') return { kind: 'admitted', material: undefined, network };
  const material = verifyMsChapV2(claim, passwordHash);
  if (material !== undefined) return { kind: 'admitted', material, network };
  return { kind: 'refused', code: 691, message: 'wrong name or password', retry: true };
}
