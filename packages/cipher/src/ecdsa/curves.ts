/** The curves of FIPS 186-4 in whole numbers: for signatures' public side alone, as the time that it takes tells of its numbers. */

export interface Curve {
  /** As OpenSSL calls it. */
  readonly name: string;
  /** Of the order, and of r and s. */
  readonly bytes: number;
  readonly prime: bigint;
  readonly order: bigint;
  readonly base: Point;
}

export interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

/** (X / Z², Y / Z³); Z of 0 is the point at infinity. */
interface Jacobian extends Point {
  readonly z: bigint;
}

const infinity: Jacobian = { x: 1n, y: 1n, z: 0n };

/** By the names of OpenSSL (SP 800-186, section 3.2.1). All have y² = x³ - 3x + b. */
export const curves: Readonly<Record<string, Curve>> = {
  prime256v1: {
    name: 'prime256v1',
    bytes: 32,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    base: {
      x: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
      y: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
    },
  },
  secp384r1: {
    name: 'secp384r1',
    bytes: 48,
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    base: {
      x: 0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
      y: 0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
    },
  },
  secp521r1: {
    name: 'secp521r1',
    bytes: 66,
    prime: 2n ** 521n - 1n,
    order:
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    base: {
      x: 0x00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66n,
      y: 0x011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650n,
    },
  },
};

/** The remainder from 0 on, also of what is negative. */
export function modulo(number: bigint, by: bigint): bigint {
  const rest = number % by;
  return rest < 0n ? rest + by : rest;
}

/** 1 / `number`, for a prime `by` and a number that it does not divide: Euclid's way. */
export function inverse(number: bigint, by: bigint): bigint {
  let [a, b, x, y] = [modulo(number, by), by, 1n, 0n];
  while (a > 1n) {
    const q = b / a;
    [a, b, x, y] = [b - q * a, a, y - q * x, x];
  }
  return modulo(x, by);
}

/** The x of a * base + b * `point`; undefined at infinity. */
export function xOfSum(curve: Curve, a: bigint, b: bigint, point: Point): bigint | undefined {
  const { prime } = curve;
  const [one, other] = [
    { ...curve.base, z: 1n },
    { ...point, z: 1n },
  ];
  const both = add(one, other, prime);
  let sum = infinity;
  for (let bit = BigInt(8 * curve.bytes - 1); bit >= 0n; bit--) {
    sum = double(sum, prime);
    const [inA, inB] = [((a >> bit) & 1n) === 1n, ((b >> bit) & 1n) === 1n];
    if (inA || inB) sum = add(sum, inA && inB ? both : inA ? one : other, prime);
  }
  return sum.z === 0n ? undefined : modulo(sum.x * inverse(sum.z * sum.z, prime), prime);
}

/** "dbl-2001-b" of the Explicit-Formulas Database, for a = -3. */
function double({ x, y, z }: Jacobian, p: bigint): Jacobian {
  if (z === 0n || y === 0n) return infinity;
  const delta = (z * z) % p;
  const gamma = (y * y) % p;
  const beta = (x * gamma) % p;
  const alpha = (3n * (x - delta) * (x + delta)) % p;
  const x3 = modulo(alpha * alpha - 8n * beta, p);
  return {
    x: x3,
    y: modulo(alpha * (4n * beta - x3) - 8n * gamma * gamma, p),
    z: modulo((y + z) * (y + z) - gamma - delta, p),
  };
}

/** "add-2007-bl" of the same, and what it does not cover. */
function add(one: Jacobian, other: Jacobian, p: bigint): Jacobian {
  if (one.z === 0n) return other;
  if (other.z === 0n) return one;
  const [z1, z2] = [(one.z * one.z) % p, (other.z * other.z) % p];
  const [u1, u2] = [(one.x * z2) % p, (other.x * z1) % p];
  const [s1, s2] = [(one.y * other.z * z2) % p, (other.y * one.z * z1) % p];
  const h = modulo(u2 - u1, p);
  const r = modulo(2n * (s2 - s1), p);
  if (h === 0n) return r === 0n ? double(one, p) : infinity;
  const i = (4n * h * h) % p;
  const j = (h * i) % p;
  const v = (u1 * i) % p;
  const x = modulo(r * r - j - 2n * v, p);
  const sum = one.z + other.z;
  return { x, y: modulo(r * (v - x) - 2n * s1 * j, p), z: modulo((sum * sum - z1 - z2) * h, p) };
}
