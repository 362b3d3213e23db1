/**
 * The few types that all packages share.
 *
 * Owns names, shapes and the error class. No behaviour: nothing here reads a clock, opens a socket or keeps state.
 */
export { createPacketBatch, type PacketBatch, virtioBytes } from './batch.ts';
export type { PeerCertificate } from './certificate.ts';
export type { CloseCause, CloseReason } from './close-reason.ts';
export { CulvertError } from './error.ts';
export type { LogFields, Logger } from './logger.ts';
export type { Endpoint, Machine, Path, Transmit } from './machine.ts';
export type { Instant, Millis, MonotonicClock, RandomSource, WallClock } from './time.ts';
