/**
 * Diffie-Hellman groups, for IKEv1 and IKEv2 alike: MODP (RFC 2409, section 6.2; RFC 3526), elliptic curves modulo a prime (RFC 5903)
 * and Curve25519 (RFC 8031).
 *
 * Private values come from a `RandomSource`. A peer's public value is checked before it meets a private one: its length, 1 < y < p-1 for
 * MODP, a point on the curve for ECP, a shared secret that is not zero for Curve25519.
 */
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  getDiffieHellman,
  type KeyObject,
} from 'node:crypto';
import type { RandomSource } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { bitString, integer, objectIdentifier, octetString, sequence } from './der.ts';

export type IkeGroup =
  | 'modp1024'
  | 'modp1536'
  | 'modp2048'
  | 'modp3072'
  | 'modp4096'
  | 'ecp256'
  | 'ecp384'
  | 'ecp521'
  | 'curve25519';

/** The numbers that both versions of IKE give them (IANA, "Transform Type 4"). */
export const groupNumbers: Readonly<Record<IkeGroup, number>> = {
  modp1024: 2,
  modp1536: 5,
  modp2048: 14,
  modp3072: 15,
  modp4096: 16,
  ecp256: 19,
  ecp384: 20,
  ecp521: 21,
  curve25519: 31,
};

/** One end's half of an exchange. */
export interface KeyAgreement {
  readonly group: IkeGroup;
  /** What the KE payload carries. */
  readonly publicValue: Uint8Array;
  /** g^xy, of the group's full length; of a curve the x coordinate. Throws `WireError` for a value that the group does not allow. */
  agree(peerValue: Uint8Array): Uint8Array;
}

export function createKeyAgreement(group: IkeGroup, random: RandomSource): KeyAgreement {
  if (group === 'curve25519') return curve25519(random);
  const curve = curves[group as keyof typeof curves];
  return curve === undefined ? modp(group as ModpGroup, random) : ecp(group, curve, random);
}

/** Bytes of a public value, which a KE payload must have exactly: MODP values are filled up with zeros in front (RFC 2409, section 5). */
export function publicValueBytes(group: IkeGroup): number {
  if (group === 'curve25519') return 32;
  const curve = curves[group as keyof typeof curves];
  return curve === undefined ? primeOf(group as ModpGroup).length : curve.bytes * 2;
}

type ModpGroup = keyof typeof modpGroups;

/** Exponents by the larger estimate of RFC 3526, section 8, and for the two old groups by RFC 2409's strength, in whole words. */
export const modpGroups = {
  modp1024: { name: undefined, exponentBytes: 32 },
  modp1536: { name: 'modp5', exponentBytes: 32 },
  modp2048: { name: 'modp14', exponentBytes: 40 },
  modp3072: { name: 'modp15', exponentBytes: 56 },
  modp4096: { name: 'modp16', exponentBytes: 64 },
} as const;

export const curves = {
  ecp256: { name: 'prime256v1', bytes: 32, topByte: 0xff, oid: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] },
  ecp384: { name: 'secp384r1', bytes: 48, topByte: 0xff, oid: [0x2b, 0x81, 0x04, 0x00, 0x22] },
  ecp521: { name: 'secp521r1', bytes: 66, topByte: 0x01, oid: [0x2b, 0x81, 0x04, 0x00, 0x23] },
} as const;

/** AlgorithmIdentifier of its keys (RFC 8410, section 3). */
export const X25519: Uint8Array = sequence(objectIdentifier(0x2b, 0x65, 0x6e));

const GENERATOR = Uint8Array.of(2);
const UNCOMPRESSED = 4;

/** RFC 2409, section 6.2. OpenSSL knows the other primes and tests this one, 25 ms each time it is asked for. */
const MODP1024 =
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
  'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed' +
  'ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff';

export function primeOf(group: ModpGroup): Uint8Array {
  const { name } = modpGroups[group];
  return Uint8Array.from(name === undefined ? Buffer.from(MODP1024, 'hex') : getDiffieHellman(name).getPrime());
}

/** dhKeyAgreement with the group's prime (PKCS #3, section 9). Keys by it are not tested; a DiffieHellman object tests its prime, for seconds. */
function dhKeyAgreement(prime: Uint8Array): Uint8Array {
  const identifier = objectIdentifier(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01);
  return sequence(identifier, sequence(integer(prime), integer(GENERATOR)));
}

function modp(group: ModpGroup, random: RandomSource): KeyAgreement {
  const prime = primeOf(group);
  const algorithm = dhKeyAgreement(prime);
  const exponent = random.bytes(modpGroups[group].exponentBytes);
  // Zero and one give the secret away; with entropy they do not occur.
  if (exponent.every((byte, n) => byte === 0 || n === exponent.length - 1)) throw new RangeError('not random');
  const privateKey = pkcs8(algorithm, integer(exponent));
  const agree = (peerValue: Uint8Array): Uint8Array => {
    return leftPadded(diffieHellman({ privateKey, publicKey: modpKeyOf(group, peerValue) }), prime.length);
  };
  // The end of a SubjectPublicKeyInfo is the value as an INTEGER, without zeros in front.
  const encoded = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { group, publicValue: integerAtEnd(encoded, prime.length), agree };
}

/** A peer's public value, checked. Throws WireError. */
export function modpKeyOf(group: ModpGroup, value: Uint8Array): KeyObject {
  const prime = primeOf(group);
  if (value.length !== prime.length) throw wrongLength(group, value.length);
  const y = BigInt(`0x${toHex(value)}`);
  if (y <= 1n || y >= BigInt(`0x${toHex(prime)}`) - 1n) {
    throw new WireError('CULVERT_WIRE_VALUE', `${group}: public value out of range`);
  }
  return spki(dhKeyAgreement(prime), integer(value));
}

function ecp(group: IkeGroup, curve: (typeof curves)[keyof typeof curves], random: RandomSource): KeyAgreement {
  const ecdh = createECDH(curve.name);
  ecdh.setPrivateKey(scalar(curve, random));
  const agree = (peerValue: Uint8Array): Uint8Array => {
    if (peerValue.length !== curve.bytes * 2) throw wrongLength(group, peerValue.length);
    try {
      return leftPadded(ecdh.computeSecret(Uint8Array.of(UNCOMPRESSED, ...peerValue)), curve.bytes);
    } catch (cause) {
      throw new WireError('CULVERT_WIRE_VALUE', `${group}: public value is no point of the curve`, { cause });
    }
  };
  return { group, publicValue: Uint8Array.from(ecdh.getPublicKey().subarray(1)), agree };
}

/** A private scalar below the order of the curve, by rejection: of these curves nearly every value is. */
function scalar(curve: (typeof curves)[keyof typeof curves], random: RandomSource): Uint8Array {
  const trial = createECDH(curve.name);
  for (let attempt = 0; attempt < 64; attempt++) {
    const bytes = random.bytes(curve.bytes);
    bytes[0] = (bytes[0] ?? 0) & curve.topByte;
    try {
      trial.setPrivateKey(bytes);
      return bytes;
    } catch {
      // Zero, or not below the order.
    }
  }
  throw new RangeError('not random');
}

/** The one curve of its kind here: RFC 8031 for IKEv2, and by the same number what strongSwan and libreswan do in IKEv1. */
function curve25519(random: RandomSource): KeyAgreement {
  const privateKey = pkcs8(X25519, octetString(random.bytes(32)));
  const agree = (peerValue: Uint8Array): Uint8Array => {
    if (peerValue.length !== 32) throw wrongLength('curve25519', peerValue.length);
    try {
      return Uint8Array.from(diffieHellman({ privateKey, publicKey: spki(X25519, peerValue) }));
    } catch (cause) {
      throw new WireError('CULVERT_WIRE_VALUE', 'curve25519: public value of small order', { cause });
    }
  };
  const encoded = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { group: 'curve25519', publicValue: Uint8Array.from(encoded.subarray(-32)), agree };
}

/** PrivateKeyInfo (RFC 5208, section 5). */
function pkcs8(algorithm: Uint8Array, key: Uint8Array): KeyObject {
  const info = sequence(integer(Uint8Array.of(0)), algorithm, octetString(key));
  return createPrivateKey({ key: Buffer.from(info), format: 'der', type: 'pkcs8' });
}

/** SubjectPublicKeyInfo (RFC 5280, section 4.1). */
export function spki(algorithm: Uint8Array, key: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(sequence(algorithm, bitString(key))), format: 'der', type: 'spki' });
}

/** The INTEGER that ends `der`, filled up to `length`: found by trying lengths from the longest, which it has but for one value in 256. */
export function integerAtEnd(der: Uint8Array, length: number): Uint8Array {
  for (let bytes = length; bytes > 0; bytes--) {
    const value = der.subarray(der.length - bytes);
    const encoded = integer(value);
    const end = der.subarray(der.length - encoded.length);
    if (encoded.every((byte, n) => byte === end[n])) return leftPadded(value, length);
  }
  throw new TypeError('no INTEGER at the end');
}

export function leftPadded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes, length - bytes.length);
  return out;
}

export function wrongLength(group: string, length: number): WireError {
  return new WireError('CULVERT_WIRE_LENGTH', `${group}: public value of ${length} bytes`);
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
