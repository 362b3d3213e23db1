/** Why a link ended, as a word that programs, logs and metrics share. */
export type CloseCause =
  | 'peer' // the peer said goodbye
  | 'lost' // the wire went silent
  | 'refused' // admission or the peer's authentication refused
  | 'protocol' // the peer broke the protocol, TLS included
  | 'idle' // no traffic for the idle limit
  | 'session-limit' // the session's allowed time is over
  | 'replaced' // the same user or certificate connected again
  | 'revoked' // its certificate was revoked, or its user disabled
  | 'operator' // an operator ended it
  | 'shutdown' // our program stops
  | 'error'; // our own fault

export interface CloseReason {
  readonly cause: CloseCause;
  /** One plain sentence for people: what happened and, where known, what to do. Never a secret. */
  readonly detail: string;
}
