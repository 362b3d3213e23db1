import type { PppTerms } from '@culvert/ppp';

/** What both ends agreed on, for status and logs. */
export function factsOf({ method, addressCompression, protocolCompression }: PppTerms): Record<string, string> {
  return {
    authentication: method ?? 'none',
    framing: [addressCompression ? 'acfc' : '', protocolCompression ? 'pfc' : ''].filter(Boolean).join(' ') || 'plain',
  };
}
