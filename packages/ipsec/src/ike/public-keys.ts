/** Public values of IKE as keys of node:crypto and back, for who has private ones of its own: what a KE payload carries is checked here too. */
import type { KeyObject } from 'node:crypto';
import { WireError } from '@culvert/wire';
import { objectIdentifier, sequence } from './der.ts';
import {
  curves,
  type IkeGroup,
  integerAtEnd,
  leftPadded,
  modpGroups,
  modpKeyOf,
  primeOf,
  spki,
  wrongLength,
  X25519,
} from './groups.ts';

/** RFC 5480, section 2.1.1. */
const EC_PUBLIC_KEY = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const UNCOMPRESSED = 4;

/** How node:crypto's generateKeyPair names a group. */
export type KeyPairKind =
  | { readonly type: 'x25519' }
  | { readonly type: 'ec'; readonly namedCurve: string }
  | { readonly type: 'dh'; readonly domain: { readonly group: string } | { readonly prime: Uint8Array } };

export function keyPairKind(group: IkeGroup): KeyPairKind {
  if (group === 'curve25519') return { type: 'x25519' };
  if (isCurve(group)) return { type: 'ec', namedCurve: curves[group].name };
  const { name } = modpGroups[group];
  return { type: 'dh', domain: name === undefined ? { prime: primeOf(group) } : { group: name } };
}

/** What a KE payload carries, as a key. Throws WireError for a value that the group does not allow. */
export function publicKeyOf(group: IkeGroup, value: Uint8Array): KeyObject {
  if (group === 'curve25519') {
    if (value.length !== 32) throw wrongLength(group, value.length);
    return spki(X25519, value);
  }
  if (!isCurve(group)) return modpKeyOf(group, value);
  const { bytes, oid } = curves[group];
  if (value.length !== bytes * 2) throw wrongLength(group, value.length);
  try {
    const algorithm = sequence(objectIdentifier(...EC_PUBLIC_KEY), objectIdentifier(...oid));
    return spki(algorithm, Uint8Array.of(UNCOMPRESSED, ...value));
  } catch (cause) {
    throw new WireError('CULVERT_WIRE_VALUE', `${group}: public value is no point of the curve`, { cause });
  }
}

/** What the KE payload of `key`'s owner carries. */
export function publicValueOf(group: IkeGroup, key: KeyObject): Uint8Array {
  const encoded = key.export({ format: 'der', type: 'spki' });
  if (group === 'curve25519') return Uint8Array.from(encoded.subarray(-32));
  if (isCurve(group)) return Uint8Array.from(encoded.subarray(-curves[group].bytes * 2));
  return integerAtEnd(encoded, primeOf(group).length);
}

/** g^xy as node:crypto gives it, of the group's full length. */
export function fullSecret(group: IkeGroup, secret: Uint8Array): Uint8Array {
  if (group === 'curve25519') return leftPadded(secret, 32);
  return leftPadded(secret, isCurve(group) ? curves[group].bytes : primeOf(group).length);
}

function isCurve(group: IkeGroup): group is keyof typeof curves {
  return group in curves;
}
