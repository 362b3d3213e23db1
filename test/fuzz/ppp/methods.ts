/** Ways to authenticate, as both ends offer them, and an admission that knows alice. */
import {
  type AuthClaim,
  type AuthMethod,
  type AuthOffer,
  clientAuth,
  type NetworkConfig,
  ntPasswordHash,
  type PppVerdict,
  serverAuth,
  verifyMsChapV2,
} from '@culvert/ppp';
import { seededRandom } from '@culvert/testkit';

export const methods = ['pap', 'chap-md5', 'mschapv2'] as const satisfies readonly AuthMethod[];
export type Method = (typeof methods)[number];

const PASSWORD = 'clientPass';
const passwordHash = ntPasswordHash(PASSWORD);

export function serverMethod(method: Method, seed: number): AuthOffer[] {
  return serverAuth({ random: seededRandom(seed), name: 'culvert', methods: [method] });
}
export function clientMethod(method: Method, seed: number): AuthOffer[] {
  return clientAuth({ random: seededRandom(seed), username: 'alice', password: PASSWORD, methods: [method] });
}

/** Only a right MS-CHAPv2 response has keys; whoever shows another proof is believed. */
export function judge(claim: AuthClaim, network: NetworkConfig): PppVerdict {
  if (claim.method !== 'mschapv2') return { kind: 'admitted', material: undefined, network };
  const material = verifyMsChapV2(claim, passwordHash);
  if (material !== undefined) return { kind: 'admitted', material, network };
  return { kind: 'refused', code: 691, message: 'wrong name or password', retry: true };
}
