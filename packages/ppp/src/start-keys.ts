/** The first keys of MPPE out of an MS-CHAPv2 authentication (RFC 3079, section 3.4: GetAsymmetricStartKey). */
import { createHash } from 'node:crypto';
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

/** @param masterKey 16 bytes */
export function startKeysOf(masterKey: Uint8Array, role: 'server' | 'client'): StartKeys {
  const fromClient = startKey(masterKey, magic2);
  const fromServer = startKey(masterKey, magic3);
  return role === 'client' ? { send: fromClient, receive: fromServer } : { send: fromServer, receive: fromClient };
}

function startKey(masterKey: Uint8Array, magic: Uint8Array): Uint8Array {
  const digest = createHash('sha1').update(masterKey).update(pad1).update(magic).update(pad2).digest();
  return Uint8Array.from(digest.subarray(0, KEY_BYTES));
}
