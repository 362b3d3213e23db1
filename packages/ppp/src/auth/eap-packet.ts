/**
 * EAP's packets (RFC 3748, section 4), which have the layout of PPP's others.
 *
 *   request, response  | code 1 | id 1 | length 2 | type 1 | data ...        success, failure  | code 1 | id 1 | length 2 |
 */
import { decodeControlPacket, encodeControlPacket } from '../packet.ts';

export const EapCode = { request: 1, response: 2, success: 3, failure: 4 } as const;
export const EapType = { identity: 1, notification: 2, nak: 3, md5: 4, tls: 13, mschapv2: 26 } as const;

export interface EapPacket {
  readonly code: number;
  readonly id: number;
  /** 0 in Success and Failure. */
  readonly type: number;
  /** Borrows from the input. */
  readonly data: Uint8Array;
}

export function decodeEap(bytes: Uint8Array): EapPacket | undefined {
  const packet = decodeControlPacket(bytes);
  if (packet === undefined) return undefined;
  const { code, id, body } = packet;
  if (code === EapCode.success || code === EapCode.failure) return { code, id, type: 0, data: body };
  const type = body[0];
  return type === undefined ? undefined : { code, id, type, data: body.subarray(1) };
}

export function encodeEap(code: number, id: number, type: number, data: Uint8Array): Uint8Array {
  return encodeControlPacket(code, id, Uint8Array.of(type, ...data));
}
