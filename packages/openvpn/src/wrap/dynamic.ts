/**
 * Dynamic tls-crypt: renegotiations are wrapped with a key that only the two ends of this session have, so that nobody else who holds
 * the shared key can disturb them (openvpn tls_crypt.c, tls_session_generate_dynamic_tls_crypt_key).
 */
import type { ControlWrap } from './control-wrap.ts';
import { createTlsCryptWrap, STATIC_KEY_BYTES } from './tls-crypt.ts';

export const DYNAMIC_TLS_CRYPT_LABEL = 'EXPORTER-OpenVPN-dynamic-tls-crypt';

export interface DynamicWrapOptions {
  readonly role: 'server' | 'client';
  /** 256 bytes from the TLS exporter with the label above. */
  readonly exported: Uint8Array;
  /** The tls-crypt key in use, or the client's key of tls-crypt-v2. */
  readonly staticKey: Uint8Array | undefined;
  /** Unix seconds. */
  readonly time: number;
}

export function createDynamicWrap({ role, exported, staticKey, time }: DynamicWrapOptions): ControlWrap {
  const key = exported.slice(0, STATIC_KEY_BYTES);
  if (staticKey !== undefined) for (let i = 0; i < STATIC_KEY_BYTES; i++) key[i] = (key[i] ?? 0) ^ (staticKey[i] ?? 0);
  return createTlsCryptWrap({ role, staticKey: key, time, name: 'dynamic tls-crypt' });
}
