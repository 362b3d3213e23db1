/** The first keys of MPPE out of an authentication: of MS-CHAPv2's master key (RFC 3079, section 3.4), or as EAP-TLS gives them. */
import { createHash } from 'node:crypto';
import type { AuthMaterial } from './auth/machine.ts';
import type { StartKeys } from './terms.ts';

const KEY_BYTES = 16;
const pad1 = new Uint8Array(40);
const pad2 = new Uint8Array(40).fill(0xf2);
const magic2 = new TextEncoder().encode(
  'On the client side, this is the send key; on the server side, it is the receive key.',
);
const magic3 = new TextEncoder().encode(
  'On the client side, this is the receive key; on the server side, it is the send key.',
);

/** Undefined where the method gave no key. */
export function startKeysOf(material: AuthMaterial | undefined, role: 'server' | 'client'): StartKeys | undefined {
  const masterKey = material?.mppeMasterKey;
  const keys = material?.mppeStartKeys ?? (masterKey && bothWays(masterKey));
  if (keys === undefined) return undefined;
  const { fromClient, fromServer } = keys;
  return role === 'client' ? { send: fromClient, receive: fromServer } : { send: fromServer, receive: fromClient };
}

function bothWays(masterKey: Uint8Array) {
  return { fromClient: startKey(masterKey, magic2), fromServer: startKey(masterKey, magic3) };
}

/** GetAsymmetricStartKey. */
function startKey(masterKey: Uint8Array, magic: Uint8Array): Uint8Array {
  const digest = createHash('sha1').update(masterKey).update(pad1).update(magic).update(pad2).digest();
  return Uint8Array.from(digest.subarray(0, KEY_BYTES));
}
