/** The shapes at the face of a control protocol: what it needs and what it tells, and the codes that all of them have. */
import type { ControlPacket } from './packet.ts';
import type { OptionPolicy } from './policy.ts';

// Fixed by RFC 1661, section 5.
export const Code = {
  configureRequest: 1,
  configureAck: 2,
  configureNak: 3,
  configureReject: 4,
  terminateRequest: 5,
  terminateAck: 6,
  codeReject: 7,
} as const;

export interface ControlProtocolOptions {
  readonly policy: OptionPolicy;
  /** The longest packet that the peer takes, in bytes. */
  readonly longest?: () => number;
  /**
   * The peer's request is acknowledged only once it has acknowledged ours, as long as ours went out no more often than this. A peer that would
   * be open by our Ack, and gets our request again because its own Ack was lost, would have to begin anew; pppd ends the link instead. Two
   * ends that wait for each other lose the time of the less patient one.
   * @default 0
   */
  readonly patience?: number;
  /** Codes above 7 that the owner knows. */
  readonly knows?: (code: number) => boolean;
}

export type ControlEvent =
  | { readonly kind: 'up' }
  | { readonly kind: 'down' }
  | { readonly kind: 'finished' }
  /** No agreement is possible; the owner closes. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The peer said goodbye; the body borrows from its packet. */
  | { readonly kind: 'terminated'; readonly body: Uint8Array }
  /** A packet with a code that the owner knows. Its body borrows from the input. */
  | { readonly kind: 'packet'; readonly packet: ControlPacket }
  | { readonly kind: 'note'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> };
