/**
 * The pairs of SAs that one peer made for one purpose, one after another: what a conversation goes on over while keys change.
 *
 * All of them receive; the newest that the peer is known to have sends (RFC 2409, section 5.5).
 */
import type { Instant } from '@culvert/base';
import { isSameTraffic, type Traffic } from '../child-sa.ts';
import type { IkeSaId } from '../ike/v1/machine/face.ts';
import type { SaPair } from './sa-pair.ts';

export class SaChain {
  /** The phase 1 that its next pair comes from. */
  ikeSa: IkeSaId;
  /** In the order in which they were made; also those that only receive. */
  readonly pairs: SaPair[] = [];
  /** No pair is left that may send: it ends then, unless a new one comes. */
  endAt: Instant | undefined;
  readonly #traffic: Traffic;

  constructor(ikeSa: IkeSaId, { mode, local, remote }: Traffic) {
    this.ikeSa = ikeSa;
    this.#traffic = { mode, local, remote };
  }

  /** The pair to send by; undefined: none may. */
  get sending(): SaPair | undefined {
    return this.pairs.findLast(({ ready, until }) => ready && until === undefined);
  }

  /** The newest. */
  get newest(): SaPair | undefined {
    return this.pairs.at(-1);
  }

  /** Pairs that were not deleted. */
  get standing(): number {
    return this.pairs.filter(({ until }) => until === undefined).length;
  }

  /** Of the same phase 1 and for the same packets. */
  isOf(ikeSa: IkeSaId, traffic: Traffic): boolean {
    return this.ikeSa === ikeSa && isSameTraffic(this.#traffic, traffic);
  }
}
