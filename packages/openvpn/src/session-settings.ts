/** A session's options with their defaults, checked once. */
import type { Millis } from '@culvert/base';
import { createOpenvpnAeadKey, Join } from '@culvert/cipher';
import type { AeadName, CreateDataKey, SessionOptions, SessionStats } from './face.ts';
import { defaultDataCiphers } from './negotiation.ts';

export interface SessionSettings {
  readonly dataCiphers: readonly AeadName[];
  readonly createDataKey: CreateDataKey;
  readonly join: number;
  readonly handshakeWindow: Millis;
  readonly renegotiateAfter: Millis;
  readonly renegotiateBytes: number;
  readonly renegotiatePackets: number;
  readonly transitionWindow: Millis;
  /** Undefined over a stream. */
  readonly tlsTimeout: Millis | undefined;
  readonly replayWindow: number;
  readonly maxControlBytes: number;
  readonly tunMtu: number;
}

/** openvpn's max-packet-size goes from 154 to 2048; below, a wrapped packet has no room. */
const SHORTEST_CONTROL = 154;

/** Throws RangeError for an option that makes no sense. */
export function settingsOf(options: SessionOptions): SessionSettings {
  const renegotiateAfter = options.renegotiateAfter ?? 3_600_000;
  const dataCiphers = options.dataCiphers ?? defaultDataCiphers;
  const maxControlBytes = options.maxControlBytes ?? 1_200;
  if (dataCiphers.length === 0) throw new RangeError('at least one data cipher is needed');
  if (maxControlBytes < SHORTEST_CONTROL) throw new RangeError(`maxControlBytes is at least ${SHORTEST_CONTROL}`);
  return {
    dataCiphers,
    createDataKey: options.createDataKey ?? createOpenvpnAeadKey,
    join: options.join ?? Join.tcp,
    handshakeWindow: options.handshakeWindow ?? 60_000,
    renegotiateAfter,
    // Half of what AES-GCM may protect under one key: 2 ** 36 blocks of 16 bytes (OpenVPN 2.7 doc, aead usage limit).
    renegotiateBytes: options.renegotiateBytes ?? 2 ** 39,
    renegotiatePackets: options.renegotiatePackets ?? 2 ** 31,
    transitionWindow:
      options.transitionWindow ?? (renegotiateAfter > 0 ? Math.min(renegotiateAfter, 3_600_000) : 3_600_000),
    tlsTimeout: options.protocol === 'tcp' ? undefined : (options.tlsTimeout ?? 2_000),
    replayWindow: options.replayWindow ?? 64,
    maxControlBytes,
    tunMtu: options.tunMtu ?? 1_500,
  };
}

export function emptyStats(): SessionStats {
  return {
    malformed: 0,
    unauthenticated: 0,
    replayed: 0,
    retransmits: 0,
    duplicates: 0,
    packetsIn: 0,
    bytesIn: 0,
    packetsOut: 0,
    bytesOut: 0,
    dataUnauthenticated: 0,
    dataReplayed: 0,
    dataNoKey: 0,
    dataRefused: 0,
    droppedOut: 0,
  };
}
