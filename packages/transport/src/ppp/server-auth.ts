/** How a gateway asks its PPP peers to prove themselves. */
import { type AuthMethod, type AuthOffer, serverAuth } from '@culvert/ppp';
import { systemRandom } from '../clock.ts';

/** A challenge has a name (RFC 1994, section 4.1) and goes to strangers: it tells neither product nor host. */
const NAME = 'vpn';

/** @param methods the best first. @default MS-CHAPv2 alone */
export function serverOffers(methods?: readonly AuthMethod[]): AuthOffer[] {
  return serverAuth({ random: systemRandom, name: NAME, methods });
}
