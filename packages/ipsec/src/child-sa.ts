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

export type Traffic = Pick<ChildSa, 'mode' | 'local' | 'remote'>;

/**
 * Whether two pairs of one peer are for the same packets. In transport mode the networks are the two ends themselves, each where it was when
 * the pair was made: a peer that moved since is the same one.
 */
export function isSameTraffic(a: Traffic, b: Traffic): boolean {
  if (a.mode !== b.mode || !isSamePort(a.local, b.local) || !isSamePort(a.remote, b.remote)) return false;
  return a.mode === 'transport' || (a.local.network === b.local.network && a.remote.network === b.remote.network);
}

/** Whether all packets of `narrow`, a pair in transport mode, are among those of `wide`. Of the two ends as above. */
export function coversTraffic(wide: Traffic, narrow: Traffic): boolean {
  if (wide.mode !== 'transport' || narrow.mode !== 'transport') return false;
  return coversPort(wide.local, narrow.local) && coversPort(wide.remote, narrow.remote);
}

function coversPort(wide: TrafficSelector, narrow: TrafficSelector): boolean {
  return (wide.protocol === 0 || wide.protocol === narrow.protocol) && (wide.port === 0 || wide.port === narrow.port);
}

function isSamePort(a: TrafficSelector, b: TrafficSelector): boolean {
  return a.protocol === b.protocol && a.port === b.port;
}
