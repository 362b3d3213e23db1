/**
 * tls-crypt-v2: tls-crypt with a key for each client, which the client brings along wrapped (openvpn doc/tls-crypt-v2.txt).
 *
 * The wrapped key follows the wrapped packet on HARD_RESET_CLIENT_V3 and CONTROL_WKC_V1, and on no other.
 */
import { Opcode } from '../opcode.ts';
import type { ControlWrap, Unwrapped } from './control-wrap.ts';
import { createTlsCryptWrap } from './tls-crypt.ts';
import { splitWrappedKey } from './wrapped-key.ts';

/** Replay ids from here on tell a server that its client knows early negotiation (ssl_pkt.h EARLY_NEG_START). */
export const EARLY_NEGOTIATION_IDS = 0x0f00_0000;

export function carriesWrappedKey(firstByte: number): boolean {
  const opcode = firstByte >>> 3;
  return opcode === Opcode.hardResetClientV3 || opcode === Opcode.controlWkcV1;
}

/** A client's end. `time` is Unix seconds. */
export function createTlsCryptV2Client(clientKey: Uint8Array, wrapped: Uint8Array, time: number): ControlWrap {
  const inner = createTlsCryptWrap({ role: 'client', staticKey: clientKey, time, firstId: EARLY_NEGOTIATION_IDS + 1 });
  return {
    name: 'tls-crypt-v2',
    overhead: inner.overhead,
    wrappedKeyBytes: wrapped.length,
    wrap(head: Uint8Array, body: Uint8Array): Uint8Array {
      const packet = inner.wrap(head, body);
      if (!carriesWrappedKey(head[0] ?? 0)) return packet;
      const datagram = new Uint8Array(packet.length + wrapped.length);
      datagram.set(packet);
      datagram.set(wrapped, packet.length);
      return datagram;
    },
    unwrap: (datagram: Uint8Array) => inner.unwrap(datagram),
  };
}

/** A server's end, for the client whose key was unwrapped. */
export function createTlsCryptV2Server(clientKey: Uint8Array, time: number, firstId: number): ControlWrap {
  const inner = createTlsCryptWrap({ role: 'server', staticKey: clientKey, time, firstId });
  return {
    name: 'tls-crypt-v2',
    overhead: inner.overhead,
    wrappedKeyBytes: 0,
    wrap: (head: Uint8Array, body: Uint8Array) => inner.wrap(head, body),
    unwrap(datagram: Uint8Array): Unwrapped {
      if (!carriesWrappedKey(datagram[0] ?? 0)) return inner.unwrap(datagram);
      const parts = splitWrappedKey(datagram);
      return parts === undefined ? { kind: 'malformed' } : inner.unwrap(parts.packet);
    },
  };
}
