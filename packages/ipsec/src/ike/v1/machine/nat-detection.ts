/**
 * NAT detection (RFC 3947, section 3.2): each side hashes both ends as it sees them; a hash that the other does not find tells of a NAT.
 *
 *   NAT-D body   hash(initiator cookie | responder cookie | address | port)      the receiver's end first, then the sender's own
 */
import type { Endpoint, Path } from '@culvert/base';
import { addressBytes, type NatFlavour, natDetectionHash, natPayloads } from '../nat-detection.ts';
import { bodiesOf, type Payload } from '../payload.ts';
import type { Phase1Suite } from '../phase1-proposal.ts';

export interface NatContext {
  readonly suite: Phase1Suite;
  readonly cookies: readonly [initiator: Uint8Array, responder: Uint8Array];
  readonly dialect: NatFlavour;
}

/**
 * Our two. With `force` the first one, for the peer's end, is wrong: it then takes itself to be behind a NAT and encapsulates in UDP.
 * Were ours the wrong one, Windows would refuse a server that seems to be behind NAT.
 */
export function natDetection(context: NatContext, path: Path, force: boolean): Payload[] {
  const type = natPayloads[context.dialect].detection;
  const theirs = hashOf(context, path.remote);
  if (force) theirs[0] = (theirs[0] ?? 0) ^ 0xff;
  return [
    { type, body: theirs },
    { type, body: hashOf(context, path.local) },
  ];
}

/** Undefined when the peer sent none: it does not do NAT traversal after all. */
export function detectNat(
  context: NatContext,
  path: Path,
  list: readonly Payload[],
): { readonly localBehindNat: boolean; readonly remoteBehindNat: boolean } | undefined {
  const [ours, ...theirs] = bodiesOf(list, natPayloads[context.dialect].detection);
  if (ours === undefined || theirs.length === 0) return undefined;
  const remote = hashOf(context, path.remote);
  return {
    localBehindNat: !equal(ours, hashOf(context, path.local)),
    remoteBehindNat: !theirs.some((body) => equal(body, remote)),
  };
}

function hashOf({ suite, cookies }: NatContext, { address, port }: Endpoint): Uint8Array {
  return natDetectionHash(suite.hash, ...cookies, addressBytes(address), port);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
