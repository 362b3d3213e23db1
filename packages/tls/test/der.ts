/** Just enough DER to write certificates and CRLs for tests, good and bad ones alike (X.690, RFC 5280). */

export type Der = Uint8Array;

export function tlv(tag: number, ...contents: Der[]): Der {
  const body = Buffer.concat(contents);
  const length: number[] = [];
  for (let n = body.length; n > 0; n >>>= 8) length.unshift(n & 0xff);
  const header = body.length < 0x80 ? [body.length] : [0x80 | length.length, ...length];
  return Buffer.concat([Uint8Array.of(tag, ...header), body]);
}

export const sequence = (...contents: Der[]): Der => tlv(0x30, ...contents);
export const set = (...contents: Der[]): Der => tlv(0x31, ...contents);
export const octets = (content: Der): Der => tlv(0x04, content);
export const bits = (content: Der, unused = 0): Der => tlv(0x03, Uint8Array.of(unused), content);
export const utf8 = (text: string): Der => tlv(0x0c, Buffer.from(text));
export const yes = (): Der => tlv(0x01, Uint8Array.of(0xff));

/** Non-negative. */
export function integer(value: bigint | number): Der {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return tlv(0x02, (bytes[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : Uint8Array.of(), bytes);
}

export function oid(text: string): Der {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  return tlv(0x06, Uint8Array.from([40 * first + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const out = [value & 0x7f];
  for (let n = value >>> 7; n > 0; n >>>= 7) out.unshift((n & 0x7f) | 0x80);
  return out;
}

/** GeneralizedTime, or UTCTime before 2050 as RFC 5280 asks. */
export function time(unixMillis: number): Der {
  const text = `${new Date(unixMillis).toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  return text < '2050' ? tlv(0x17, Buffer.from(text.slice(2))) : tlv(0x18, Buffer.from(text));
}

export function pem(label: string, der: Der): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
