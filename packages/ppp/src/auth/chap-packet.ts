/**
 * CHAP's packets (RFC 1994, section 4), and what MS-CHAPv2 writes into their fields (RFC 2759, sections 3 to 6).
 *
 *   challenge, response   | value size 1 | value | name ...        success, failure   | message ... |
 */
import type { AuthRefusal } from './machine.ts';
import { decodeMessage, encodeText } from './text.ts';

export const ChapCode = { challenge: 1, response: 2, success: 3, failure: 4 } as const;
export const CHALLENGE_BYTES = 16;
export const NT_RESPONSE_BYTES = 24;
/** An MS-CHAPv2 response: | peer challenge 16 | zeros 8 | NT response 24 | flags 1 |. */
const RESPONSE_BYTES = 49;
const NT_RESPONSE_AT = 24;
/** "S=" and 40 digits: all that is compared. */
const PROOF_BYTES = 42;

export interface ChapValue {
  /** Borrows from the input, as does the name. */
  readonly value: Uint8Array;
  readonly name: Uint8Array;
}

export function decodeValue(body: Uint8Array): ChapValue | undefined {
  const size = body[0];
  if (size === undefined || size === 0 || 1 + size > body.length) return undefined;
  return { value: body.subarray(1, 1 + size), name: body.subarray(1 + size) };
}

export function encodeValue(value: Uint8Array, name: string): Uint8Array {
  return Uint8Array.of(value.length, ...value, ...encodeText(name));
}

export interface MsChapV2Response {
  readonly peerChallenge: Uint8Array;
  readonly ntResponse: Uint8Array;
}

/** Copies. Reserved bytes and flags are ignored, as RFC 2759 section 4 has it of the flags and peers need it of the others. */
export function decodeMsChapV2Response(value: Uint8Array): MsChapV2Response | undefined {
  if (value.length !== RESPONSE_BYTES) return undefined;
  return {
    peerChallenge: value.slice(0, CHALLENGE_BYTES),
    ntResponse: value.slice(NT_RESPONSE_AT, NT_RESPONSE_AT + NT_RESPONSE_BYTES),
  };
}

export function encodeMsChapV2Response({ peerChallenge, ntResponse }: MsChapV2Response): Uint8Array {
  const value = new Uint8Array(RESPONSE_BYTES);
  value.set(peerChallenge);
  value.set(ntResponse, NT_RESPONSE_AT);
  return value;
}

/** With "M=" in any case: Windows 98 fails without it (pppd, chap_ms.c). */
export function encodeSuccess(authenticatorResponse: string): Uint8Array {
  return encodeText(`${authenticatorResponse} M=Access granted`);
}

/** The proof in a Success, 42 bytes; undefined where there is none. RRAS sends nothing behind it. */
export function decodeProof(message: Uint8Array): Uint8Array | undefined {
  return message.length < PROOF_BYTES ? undefined : message.subarray(0, PROOF_BYTES);
}

/** RFC 2759, section 6. @param challenge the one to answer next, where the peer may try once more */
export function encodeFailure(refusal: AuthRefusal, challenge: Uint8Array): Uint8Array {
  const digits = Buffer.from(challenge).toString('hex').toUpperCase();
  return encodeText(`E=${refusal.code} R=${refusal.retry ? 1 : 0} C=${digits} V=3 M=${refusal.message}`);
}

const codes: Readonly<Record<string, AuthRefusal['code']>> = {
  646: 646,
  647: 647,
  648: 648,
  649: 649,
  691: 691,
  709: 709,
};
const meanings: Readonly<Record<AuthRefusal['code'], string>> = {
  646: 'this account may not log in at this hour',
  647: 'this account is disabled',
  648: 'the password has expired',
  649: 'this account may not dial in',
  691: 'wrong name or password',
  709: 'the password could not be changed',
};

/** What a Failure says. A code that RFC 2759 does not know is told as it is, and counts as 691. */
export function decodeFailure(message: Uint8Array): AuthRefusal & { readonly reason: string } {
  const text = decodeMessage(message);
  const number = /(?:^|\s)E=(\d{1,5})/.exec(text)?.[1] ?? '';
  const code = codes[number];
  const said = /(?:^|\s)M=(.*)$/.exec(text)?.[1]?.trim() ?? '';
  const meaning = code === undefined ? `error ${number || 'of no number'}` : meanings[code];
  return {
    code: code ?? 691,
    message: said,
    retry: /(?:^|\s)R=1/.test(text),
    reason: `the server refused us: ${meaning}${said === '' ? '' : ` ("${said}")`}`,
  };
}
