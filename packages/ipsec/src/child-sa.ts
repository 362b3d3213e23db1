/** What IKE agrees on and ESP works by: a pair of ESP security associations (RFC 4301, section 4.4.2), whichever IKE made it. */

import type { EspAlgorithms, EspKeys } from '@culvert/cipher';

export type { EspAlgorithms, EspIntegrity, EspKeys } from '@culvert/cipher';

export type EspMode = 'transport' | 'tunnel';

/** Which packets a pair of security associations is for; protocol and port 0 stand for any. */
export interface TrafficSelector {
  /** "192.0.2.1/32" */
  readonly network: string;
  readonly protocol: number;
  readonly port: number;
}

export interface ChildSa {
  readonly mode: EspMode;
  readonly algorithms: EspAlgorithms;
  readonly inbound: EspKeys;
  readonly outbound: EspKeys;
  /** Carried in UDP (RFC 3948); otherwise as IP protocol 50. */
  readonly udpEncapsulated: boolean;
  /** Extended sequence numbers (RFC 4303, section 2.2.1). IKEv1 refuses them. */
  readonly esn: boolean;
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}
