import type { Instant } from './time.ts';

/** An outer address and port. The address is in its canonical text form (RFC 5952 for IPv6, with `%ifindex` for link-local). */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Where a datagram came in and whence. It changes when a peer roams. */
export interface Path {
  /** The driver's number for the socket or stream. */
  readonly socket: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** A datagram that a machine wants sent. Over a stream it is one framed packet. */
export interface Transmit {
  readonly datagram: Uint8Array;
  readonly path: Path;
}

/**
 * A sans-IO protocol state machine over datagrams: call an input, then drain the outputs until each returns undefined.
 * It reads no clock and sends nothing.
 */
export interface Machine<Event> {
  /** Take one datagram of this peer. Malformed input is counted and otherwise ignored; it never throws. */
  handleDatagram(datagram: Uint8Array, path: Path, now: Instant): void;
  handleTimeout(now: Instant): void;
  pollTransmit(): Transmit | undefined;
  pollEvent(): Event | undefined;
  /** When to call `handleTimeout`. Early is harmless; late costs quality, not correctness. */
  pollTimeout(): Instant | undefined;
}
