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
 * Our two. To make the peer encapsulate in UDP where there is no NAT, the one of the client's end is wrong, whoever of us that is: a client
 * behind NAT is what every server is used to, while Windows refuses a server that seems to be behind one, and takes itself for such a server.
 *
 * @param wrong which one; undefined: none
 */
export function natDetection(context: NatContext, path: Path, wrong: 'local' | 'remote' | undefined): Payload[] {
  const type = natPayloads[context.dialect].detection;
  const bodyOf = (end: 'local' | 'remote') => {
    const body = hashOf(context, path[end]);
    if (end === wrong) body[0] = (body[0] ?? 0) ^ 0xff;
    return body;
  };
  return [
    { type, body: bodyOf('remote') },
    { type, body: bodyOf('local') },
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
