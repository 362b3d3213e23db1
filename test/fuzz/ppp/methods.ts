/** Ways to authenticate, as both ends offer them. */
import type { AuthOffer } from '@culvert/ppp';
import { clientOffer, material, serverOffer } from '../../../packages/ppp/test/stand-in-auth.ts';

export const methods = ['pap', 'chap', 'eap'] as const;
export type Method = (typeof methods)[number];

const numbers: Readonly<Record<Method, readonly [number, number | undefined]>> = {
  pap: [0xc023, undefined],
  chap: [0xc223, 0x81],
  eap: [0xc227, undefined],
};

export function serverMethod(method: Method): AuthOffer {
  return serverOffer(...numbers[method]);
}
export function clientMethod(method: Method): AuthOffer {
  return clientOffer('alice', material, ...numbers[method]);
}
export { material };
