/** Result codes of replies, and what they say to people (RFC 2637, sections 2.2, 2.8, 2.10 and 2.13). */

/** The same for every reply; what is above differs. */
export const Result = { ok: 1, generalError: 2 } as const;

/** What `generalError` means more precisely (RFC 2637, section 2.16). */
export const GeneralError = { noConnection: 1, noResource: 4, badCallId: 5 } as const;
export const StartResult = { channelExists: 3, notAuthorized: 4, wrongVersion: 5 } as const;
export const CallResult = { busy: 4 } as const;
export const DisconnectResult = { lostCarrier: 1, generalError: 2, shutdown: 3, request: 4 } as const;
export const StopReason = { none: 1, protocol: 2, shutdown: 3 } as const;

/** Some servers say 0 where RFC 2637 wants 1, and mean the same. */
export function isSuccess(result: number): boolean {
  return result === 0 || result === Result.ok;
}

const startResults: Readonly<Record<number, string>> = {
  3: 'a control connection exists already',
  4: 'not authorized',
  5: 'it does not support our protocol version',
};

const callResults: Readonly<Record<number, string>> = {
  3: 'no carrier',
  4: 'busy',
  5: 'no dial tone',
  6: 'it took too long',
  7: 'calls are not allowed',
};

const disconnectResults: Readonly<Record<number, string>> = {
  1: 'lost carrier',
  3: 'administrative shutdown',
  4: 'as it was asked to',
};

const generalErrors: Readonly<Record<number, string>> = {
  1: 'no control connection',
  2: 'wrong length or magic cookie',
  3: 'a value out of range',
  4: 'out of resources',
  5: 'wrong call id',
  6: 'an error of its hardware',
};

export function startFailure(result: number, error: number): string {
  return sentence(startResults, result, error);
}

export function callFailure(result: number, error: number): string {
  return sentence(callResults, result, error);
}

export function disconnection(result: number, error: number): string {
  return sentence(disconnectResults, result, error);
}

function sentence(results: Readonly<Record<number, string>>, result: number, error: number): string {
  const text = result === Result.generalError ? generalErrors[error] : results[result];
  return `${text ?? 'no reason known'} (result ${result}, error ${error})`;
}
