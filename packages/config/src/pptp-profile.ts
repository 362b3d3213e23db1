/** A PPTP client profile as a value. `network-manager-pptp.ts` reads it from NetworkManager's keyfiles and prints it. */
import type { VpnNetwork } from './network-manager-network.ts';
import type { PppEcho } from './network-manager-ppp.ts';

export interface PptpProfile {
  /** What people see. */
  readonly name: string;
  /** A name or an IPv4 address. */
  readonly server: string;
  /** Undefined: asked for. */
  readonly username: string | undefined;
  /** Of Windows, before the user name. */
  readonly domain: string | undefined;
  /** Undefined: asked for. */
  readonly password: string | undefined;
  /** Bits of MPPE that will do, the best first. */
  readonly strengths: readonly (128 | 40)[];
  /** MPPE keeps its key from packet to packet, and a lost one costs a round trip. */
  readonly stateful: boolean;
  readonly echo: PppEcho | undefined;
  readonly network: VpnNetwork;
  /** Whoever uses the profile was told what PPTP does not protect. */
  readonly acceptInsecure: boolean;
}
