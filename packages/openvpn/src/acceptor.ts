import type { Instant, Millis, Path, RandomSource, WallClock } from '@culvert/base';
import type { ServerWrap } from './face.ts';
import type { SessionStart } from './session-start.ts';

export type DropReason =
  | 'malformed'
  | 'unknownOpcode'
  | 'unauthenticated'
  | 'noCookie'
  | 'tooMany'
  | 'oldClient'
  | 'refusedMetadata';

export type Verdict =
  | { readonly kind: 'drop'; readonly why: DropReason }
  /** Send it back on the path of the question. It is never longer than the question. */
  | { readonly kind: 'reply'; readonly datagram: Uint8Array }
  /** Make a ServerSession of it; the session processes the datagram itself. */
  | { readonly kind: 'session'; readonly start: SessionStart };

export interface AcceptorOptions {
  readonly random: RandomSource;
  readonly wallClock: WallClock;
  readonly wrap: ServerWrap;
  /** Clients have half of it to three halves to answer our first reply. @default 60_000 */
  readonly handshakeWindow?: Millis | undefined;
  /** First packets answered in an interval; the rest is dropped. @default 100 in 10_000 */
  readonly limits?: { readonly initialPerInterval: number; readonly intervalMillis: Millis } | undefined;
}

/** Judges datagrams that belong to no session. */
export class Acceptor {
  readonly stats = {
    replies: 0,
    sessions: 0,
    malformed: 0,
    unknownOpcode: 0,
    unauthenticated: 0,
    noCookie: 0,
    tooMany: 0,
    oldClient: 0,
    refusedMetadata: 0,
  };
  constructor(_options: AcceptorOptions) {}

  handleInitial(_datagram: Uint8Array, _path: Path, _now: Instant): Verdict {
    return { kind: 'drop', why: 'malformed' };
  }

  /** Over a stream there is no cookie: the first packet makes the session. */
  handleStreamInitial(_packet: Uint8Array, _path: Path, _now: Instant): Verdict {
    return { kind: 'drop', why: 'malformed' };
  }
}
