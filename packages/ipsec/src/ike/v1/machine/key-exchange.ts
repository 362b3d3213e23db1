/** A Diffie-Hellman exchange as work: a pure function of a drawn seed, so that another thread may do it and a run can be repeated. */
import { hkdfSync } from 'node:crypto';
import type { RandomSource } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { createKeyAgreement, type IkeGroup } from '../../groups.ts';

export interface KeyExchange {
  readonly group: IkeGroup;
  /** What the private value is made of. Secret. */
  readonly seed: Uint8Array;
  /** Of the KE payload. Absent: our public value alone is wanted. */
  readonly peerValue?: Uint8Array | undefined;
  /** The seed is of this exchange alone, so that the private value may as well come from elsewhere. */
  readonly once?: boolean | undefined;
}

export interface KeyExchangeResult {
  readonly publicValue: Uint8Array;
  /** Secret. Empty without a peer's value. */
  readonly sharedSecret: Uint8Array;
}

/** Of the strength of the largest group. */
const SEED_BYTES = 48;

export function drawSeed(random: RandomSource): Uint8Array {
  return random.bytes(SEED_BYTES);
}

/** The costly part. Undefined when the peer's value is no member of the group. */
export function exchangeKeys({ group, seed, peerValue }: KeyExchange): KeyExchangeResult | undefined {
  const agreement = createKeyAgreement(group, expanded(seed));
  try {
    const sharedSecret = peerValue === undefined ? new Uint8Array(0) : agreement.agree(peerValue);
    return { publicValue: agreement.publicValue, sharedSecret };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** As many bytes as are asked for, by HKDF (RFC 5869), each draw under its own number. */
function expanded(seed: Uint8Array): RandomSource {
  let draws = 0;
  return {
    bytes: (length) => new Uint8Array(hkdfSync('sha512', seed, '', `culvert ike private value ${draws++}`, length)),
  };
}
