/**
 * What a peer says with its Terminate-Request. pppd writes a sentence; Windows, client and server, its magic number and an error code:
 *
 *   | magic 4 | 003ccd74 | Windows error code 4 |
 */
import { number } from './bytes.ts';

const WINDOWS_MARK = 0x003c_cd74;
const WINDOWS_BYTES = 12;
const LONGEST_TEXT = 120;

export interface Goodbye {
  /** In words; empty where the peer gave no reason. Printable ASCII. */
  readonly text: string;
  /** Where Windows gave one (RAS error codes). */
  readonly windowsError: number | undefined;
}

/** Windows' own words for them (raserror.h), as far as a VPN meets them. */
const windowsErrors: Readonly<Record<number, string>> = {
  0: 'normal end',
  619: 'the port was disconnected',
  628: 'the connection was terminated before it could be completed',
  629: 'the link was disconnected by the remote computer',
  646: 'this account may not log on at this time of day',
  647: 'this account is disabled',
  648: 'the password has expired',
  649: 'this account has no permission to dial in',
  691: 'wrong name or password, or the authentication protocol is not permitted',
  718: 'authentication took too long',
  720: 'no PPP control protocols in common',
  732: 'no common PPP settings',
  734: 'the PPP link control protocol was terminated',
  738: 'no address was assigned',
  742: 'the remote computer does not support the required encryption',
  778: 'the identity of the server could not be verified',
  919: 'the remote computer refused to authenticate itself',
};

/** Those that say no to this account or to what it showed; the same again would be told the same. */
const refusals: ReadonlySet<number> = new Set([646, 647, 648, 649, 691, 919]);
/** What pppd says, and what we do. */
const REFUSAL_TEXT = /authentication failed/i;

/** Whether the peer will not have us. @param isAnswer it comes while we authenticate ourselves: its words count too */
export function isRefusal({ text, windowsError }: Goodbye, isAnswer: boolean): boolean {
  if (windowsError !== undefined) return refusals.has(windowsError);
  return isAnswer && REFUSAL_TEXT.test(text);
}

/** Never throws: any bytes are some goodbye. */
export function decodeGoodbye(body: Uint8Array): Goodbye {
  if (body.length === WINDOWS_BYTES && number(body.subarray(4)) === WINDOWS_MARK) {
    const code = number(body.subarray(8));
    return { text: `${windowsErrors[code] ?? 'unknown reason'} (Windows error ${code})`, windowsError: code };
  }
  const printable = [...body.subarray(0, LONGEST_TEXT)].map((byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x3f));
  return { text: String.fromCharCode(...printable).trim(), windowsError: undefined };
}
