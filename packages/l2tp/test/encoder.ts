/** An encoder of its own for scripted peers, which shares nothing with ours: AVPs and control packets as text. */
import { createHash } from 'node:crypto';

const hex = (value: number, bytes: number) => value.toString(16).padStart(2 * bytes, '0');

/** `value` is hexadecimal; `flags` are M (8) and H (4). */
export function avp(type: number, value: string, flags = 8, vendor = 0): string {
  return hex(flags, 1).slice(1) + hex(6 + value.length / 2, 2).slice(1) + hex(vendor, 2) + hex(type, 2) + value;
}
export function message(type: number, ...avps: readonly string[]): string {
  return avp(0, hex(type, 2)) + avps.join('');
}
export function packet(tunnelId: number, sessionId: number, ns: number, nr: number, body = ''): Uint8Array {
  const head = `c802${hex(12 + body.length / 2, 2)}${hex(tunnelId, 2)}${hex(sessionId, 2)}${hex(ns, 2)}${hex(nr, 2)}`;
  return bytes(head + body);
}
export const latin = (text: string) => Buffer.from(text, 'latin1').toString('hex');
export const u16 = (value: number) => hex(value, 2);
export const u32 = (value: number) => hex(value, 4);
export const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
export const hexOf = (value: Uint8Array) => Buffer.from(value).toString('hex');

/** The value of a hidden AVP (RFC 2661, section 4.3), block by block. */
export function hide(type: number, value: string, secret: string, vector: string, padding = ''): string {
  const plain = Buffer.from(hex(value.length / 2, 2) + value + padding, 'hex');
  let pad = md5(`${hex(type, 2)}${latin(secret)}${vector}`);
  const out = Buffer.alloc(plain.length);
  for (let at = 0; at < plain.length; at++) {
    if (at > 0 && at % 16 === 0) pad = md5(latin(secret) + out.subarray(at - 16, at).toString('hex'));
    out[at] = (plain[at] ?? 0) ^ (pad[at % 16] ?? 0);
  }
  return out.toString('hex');
}
export function md5(text: string): Buffer {
  return createHash('md5').update(Buffer.from(text, 'hex')).digest();
}
