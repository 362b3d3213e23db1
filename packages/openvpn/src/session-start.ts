import type { Path } from '@culvert/base';
import type { ControlWrap } from './wrap/control-wrap.ts';

/** What the Acceptor learned about a peer that proved its return path; a server session is made from it. Opaque to drivers. */
export interface SessionStart {
  readonly path: Path;
  /** 8 bytes each. */
  readonly peerSessionId: Uint8Array;
  readonly ownSessionId: Uint8Array;
  /** Carries the client's key where that came wrapped (tls-crypt-v2). */
  readonly wrap: ControlWrap;
  /** The key that a dynamic wrap is mixed with (256 bytes), where there is one. */
  readonly staticKey: Uint8Array | undefined;
  /** The first datagram, still wrapped; the session processes it. */
  readonly datagram: Uint8Array;
  /** Our reset has not been sent yet (a stream, or a client whose state is kept). */
  readonly resetDue: boolean;
}
