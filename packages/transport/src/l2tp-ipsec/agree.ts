/** Diffie-Hellman on the threads of Node's pool, so that packets do not wait for it. */
import { diffieHellman, generateKeyPair, type KeyObject } from 'node:crypto';
import {
  fullSecret,
  type IkeGroup,
  type KeyExchange,
  type KeyExchangeResult,
  keyPairKind,
  publicKeyOf,
  publicValueOf,
} from '@culvert/ipsec';
import { WireError } from '@culvert/wire';

/** What Node does and its types do not have. */
declare module 'node:crypto' {
  function generateKeyPair(
    type: 'dh',
    options: { readonly group: string } | { readonly prime: Uint8Array },
    callback: (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) => void,
  ): void;
}

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/**
 * `exchangeKeys` for what is asked for `once`: the private value is OpenSSL's own. The caller's thread does a fraction of a millisecond of
 * it, where that does up to 14 ms. Undefined when the peer's value is no member of the group.
 */
export async function exchangeKeysAside(request: KeyExchange): Promise<KeyExchangeResult | undefined> {
  const { group, peerValue = new Uint8Array(0) } = request;
  try {
    const peer = publicKeyOf(group, peerValue);
    const { publicKey, privateKey } = await generate(group);
    const sharedSecret = fullSecret(group, await agree(group, privateKey, peer));
    return { publicValue: publicValueOf(group, publicKey), sharedSecret };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function generate(group: IkeGroup): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) => {
      if (error === null) resolve({ publicKey, privateKey });
      else reject(error);
    };
    const kind = keyPairKind(group);
    if (kind.type === 'x25519') generateKeyPair('x25519', {}, done);
    else if (kind.type === 'ec') generateKeyPair('ec', { namedCurve: kind.namedCurve }, done);
    else generateKeyPair('dh', kind.domain, done);
  });
}

/** Rejects with WireError: of a checked value that gives no secret, as those of small order, the peer is to blame. */
function agree(group: IkeGroup, privateKey: KeyObject, publicKey: KeyObject): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    diffieHellman({ privateKey, publicKey }, (cause, secret) => {
      if (cause === null) resolve(secret);
      else reject(new WireError('CULVERT_WIRE_VALUE', `${group}: public value that gives no secret`, { cause }));
    });
  });
}
