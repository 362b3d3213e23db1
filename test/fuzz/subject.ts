/** One session of the end under test, as the fuzzer sees it. */
import type { ScriptedPeer } from './peer/peer.ts';

/** What the end under test counted, all its sessions together. */
export interface Counters {
  /** Control datagrams whose wrap, head or replay id was wrong, or that belong to no session. */
  readonly controlRefused: number;
  /** Data datagrams that were not authentic and new. */
  readonly dataRefused: number;
  /** Inner packets that came to the core. */
  readonly inner: number;
}

export interface Subject {
  readonly role: 'server' | 'client';
  /** Hands datagrams over where the driver's enter, and waits until they are dealt with. What it sent since is the result. */
  deliver(datagrams: readonly Uint8Array[]): Promise<Uint8Array[]>;
  counters(): Counters;
  /** The session has not ended. */
  readonly alive: boolean;
  /** A server: answer the claim that waits. */
  admit(): void;
  /** Say goodbye. */
  close(): void;
  /** Leave nothing of the session behind. */
  end(peer: ScriptedPeer): Promise<void>;
}

/** A subject over a stream. */
export interface StreamEnd {
  /** Bytes as they are, in two parts, and the end of the stream; returns when the other side has ended too. */
  deliverLast(bytes: Uint8Array): Promise<void>;
}
