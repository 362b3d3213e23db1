/**
 * ECDSA on node:crypto and whole numbers: the oracle of the native one, and its stand-in.
 *
 * What is secret is multiplied with a curve by OpenSSL, in constant time; the one equation of secrets that is left is blinded. Verifying has no
 * secrets.
 */
import { createECDH, createHmac, type KeyObject } from 'node:crypto';
import { type Curve, curves, inverse, modulo, type Point, xOfSum } from './curves.ts';

/** By the length of a digest. */
const hashes: Readonly<Record<number, string>> = { 32: 'sha256', 48: 'sha384', 64: 'sha512' };

/** FIPS 186-4, section 6. Fills `signature`. False as the native call: for another kind of key, digest or length. */
export function portableSign(privateKey: KeyObject, digest: Uint8Array, signature: Uint8Array): boolean {
  const curve = curveOf(privateKey);
  const hash = hashes[digest.length];
  if (curve === undefined || hash === undefined || signature.length !== 2 * curve.bytes) return false;
  const { order, bytes } = curve;
  const secret = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
  const d = numberOf(secret);
  const e = truncated(digest, order);
  for (const nonce of nonces(secret, e, curve, hash)) {
    const k = numberOf(nonce);
    const ecdh = createECDH(curve.name);
    ecdh.setPrivateKey(nonce);
    // 04 | x | y
    const r = modulo(numberOf(ecdh.getPublicKey().subarray(1, 1 + bytes)), order);
    // Nobody else can know it, and each digest has another.
    const blind = modulo(numberOf(createHmac('sha512', secret).update(nonce).digest()), order - 1n) + 1n;
    const s = modulo(inverse(blind * k, order) * modulo(blind * e + modulo(blind * d, order) * r, order), order);
    if (r === 0n || s === 0n) continue;
    signature.set(bytesOf(r, bytes));
    signature.set(bytesOf(s, bytes), bytes);
    break;
  }
  secret.fill(0);
  return true;
}

/** False also for a key or a length that does not fit. */
export function portableVerify(publicKey: KeyObject, digest: Uint8Array, signature: Uint8Array): boolean {
  const curve = curveOf(publicKey);
  if (curve === undefined || signature.length !== 2 * curve.bytes) return false;
  const { order, bytes } = curve;
  const [r, s] = [numberOf(signature.subarray(0, bytes)), numberOf(signature.subarray(bytes))];
  if (r === 0n || s === 0n || r >= order || s >= order) return false;
  const w = inverse(s, order);
  const x = xOfSum(curve, modulo(truncated(digest, order) * w, order), modulo(r * w, order), pointOf(publicKey));
  return x !== undefined && modulo(x, order) === r;
}

function curveOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Curve | undefined {
  return asymmetricKeyType === 'ec' ? curves[asymmetricKeyDetails?.namedCurve ?? ''] : undefined;
}

/** On its curve: OpenSSL takes no other key. */
function pointOf(publicKey: KeyObject): Point {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return { x: numberOf(Buffer.from(x, 'base64url')), y: numberOf(Buffer.from(y, 'base64url')) };
}

/** RFC 6979, section 3.2: candidates for a nonce that depend on key and digest alone. */
function* nonces(secret: Uint8Array, digest: bigint, { order, bytes }: Curve, hash: string): Generator<Uint8Array> {
  const seed = [secret, bytesOf(modulo(digest, order), bytes)];
  const mac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array => {
    const hmac = createHmac(hash, key);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  };
  const size = Number(hash.slice('sha'.length)) / 8;
  let k: Uint8Array = new Uint8Array(size);
  let v: Uint8Array = new Uint8Array(size).fill(1);
  for (const step of [0, 1]) {
    k = mac(k, v, Uint8Array.of(step), ...seed);
    v = mac(k, v);
  }
  for (;;) {
    const stream: Uint8Array[] = [];
    for (let length = 0; length < bytes; length += size) {
      v = mac(k, v);
      stream.push(v);
    }
    const candidate = truncated(Buffer.concat(stream).subarray(0, bytes), order);
    if (candidate > 0n && candidate < order) yield bytesOf(candidate, bytes);
    k = mac(k, v, Uint8Array.of(0));
    v = mac(k, v);
  }
}

/** As many bits as the order has, from the left. */
function truncated(bytes: Uint8Array, order: bigint): bigint {
  const surplus = 8 * bytes.length - order.toString(2).length;
  return surplus > 0 ? numberOf(bytes) >> BigInt(surplus) : numberOf(bytes);
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}

function bytesOf(number: bigint, length: number): Uint8Array {
  return Buffer.from(number.toString(16).padStart(2 * length, '0'), 'hex');
}
