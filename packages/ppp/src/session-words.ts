/** What a session says when it ends: to people, and to the peer. */
import type { CloseCause } from '@culvert/base';

/** What was not done when the time from `open` to `up` was over, by phase. */
export const lateness: Readonly<Record<string, string>> = {
  establish: 'the peer did not agree to LCP in time',
  authenticate: 'authentication took too long',
  network: 'the network protocols took too long',
};

/** For the peer: what a stranger may know. */
export const goodbyes: Readonly<Record<CloseCause, string>> = {
  peer: '',
  lost: 'peer stopped answering',
  refused: 'authentication failed',
  protocol: 'protocol violation',
  idle: 'link was idle',
  'session-limit': 'session time is over',
  replaced: 'connected from elsewhere',
  revoked: 'access was withdrawn',
  operator: 'ended by the operator',
  shutdown: 'shutting down',
  error: 'internal error',
};

/** A client's end with a server that lets in whoever comes. @param refused what it asked for first, as a sentence */
export function noProof(refused: string | undefined): string {
  if (refused === undefined) return 'the server asks for no authentication, so it proves nothing either';
  return `${refused}, and for nothing else after that`;
}
