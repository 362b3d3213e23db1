/**
 * What a server says in the payload of its reset: {type 2, length 2, value} records (openvpn ssl_pkt.h EARLY_NEG_*).
 *
 * The one that is defined asks a tls-crypt-v2 client to send its wrapped key again, so that the server need not remember it.
 */
const FLAGS = 0x0001;
const RESEND_WRAPPED_KEY = 0x0001;

export const resendWrappedKey: Uint8Array = Uint8Array.of(0, FLAGS, 0, 2, 0, RESEND_WRAPPED_KEY);

/** Unknown types are skipped; what follows a broken record is ignored. */
export function wantsWrappedKey(payload: Uint8Array): boolean {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  for (let at = 0; at + 4 <= payload.length; ) {
    const length = view.getUint16(at + 2);
    if (at + 4 + length > payload.length) return false;
    if (view.getUint16(at) === FLAGS && length === 2) return (view.getUint16(at + 4) & RESEND_WRAPPED_KEY) !== 0;
    at += 4 + length;
  }
  return false;
}
