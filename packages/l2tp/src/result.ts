/** Result and error codes (RFC 2661, section 4.4.2), and what they say. */
import type { Outcome } from './attribute.ts';

/** Of StopCCN. */
export const StopResult = { clear: 1, generalError: 2, notAuthorized: 4, version: 5, shutdown: 6 } as const;
/** Of CDN. */
export const CallResult = { carrierLost: 1, generalError: 2, administrative: 3, temporary: 4, permanent: 5 } as const;
/** General errors, where the result is 2. */
export const GeneralError = { length: 2, value: 3, resources: 4, sessionId: 5, unknownMandatory: 8 } as const;

const stopResults: Readonly<Record<number, string>> = {
  1: 'as it was asked to',
  3: 'a control connection exists already',
  4: 'not authorized',
  5: 'it does not support our protocol version',
  6: 'it shuts down',
  7: 'it lost its place in the exchange',
};

const callResults: Readonly<Record<number, string>> = {
  1: 'lost carrier',
  3: 'for administrative reasons',
  4: 'it has no facilities now',
  5: 'it has no such facilities',
  6: 'invalid destination',
  7: 'no carrier',
  8: 'busy',
  9: 'no dial tone',
  10: 'it took too long',
  11: 'no framing was detected',
};

const generalErrors: Readonly<Record<number, string>> = {
  0: 'a general error',
  1: 'no control connection',
  2: 'wrong length',
  3: 'a value out of range',
  4: 'out of resources',
  5: 'wrong session id',
  6: 'a vendor-specific error',
  7: 'try another',
  8: 'a mandatory attribute or message that it does not know',
};

/** Why a peer sent StopCCN. */
export function stopText(outcome: Outcome | undefined): string {
  return sentence(stopResults, outcome);
}

/** Why a peer sent CDN. */
export function callText(outcome: Outcome | undefined): string {
  return sentence(callResults, outcome);
}

function sentence(results: Readonly<Record<number, string>>, outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'no reason given';
  const { result, error, message } = outcome;
  const text = result === 2 ? generalErrors[error] : results[result];
  const said = message === '' ? '' : `, "${message}"`;
  return `${text ?? 'no reason known'} (result ${result}, error ${error}${said})`;
}
