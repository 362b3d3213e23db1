/** What an endpoint tells its driver. */
import type { CloseReason } from '@culvert/base';
import type { Session } from './session.ts';

/** Whatever a datagram's driver can tell apart: an SA pair, an address and port. Compared by ===. */
export type Carrier = unknown;

/** Who the peer said it is, for logs. */
export interface PeerFacts {
  readonly hostName: string;
  readonly vendorName: string;
  readonly firmware: number | undefined;
  readonly tunnelId: number;
  readonly receiveWindow: number | undefined;
}

export type L2tpEvent =
  /** Frames may go both ways. */
  | { readonly kind: 'session'; readonly session: Session; readonly carrier: Carrier; readonly peer: PeerFacts }
  /** Frames that came before. */
  | { readonly kind: 'frames'; readonly session: Session; readonly frames: readonly Uint8Array[] }
  /** The last event of a session, also of one that was dialled and never came up. */
  | { readonly kind: 'closed'; readonly session: Session; readonly carrier: Carrier; readonly reason: CloseReason }
  /** A tunnel was: its peer does not prove what it has to, or asks for what we cannot prove. */
  | { readonly kind: 'refused'; readonly carrier: Carrier; readonly reason: CloseReason }
  /** A decision worth a debug line. */
  | {
      readonly kind: 'note';
      readonly carrier: Carrier;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
