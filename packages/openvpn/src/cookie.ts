/**
 * The server's session id as a cookie: it proves that the peer gets what we send to its address, and costs us no memory
 * (what openvpn ssl_pkt.c calculate_session_id_hmac does; any MAC will do).
 *
 * cookie = the first 8 bytes of HMAC-SHA256(secret, time slot 4 | client session id 8 | port 2 | address text)
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Endpoint, Instant, Millis, RandomSource } from '@culvert/base';
import { SESSION_ID_BYTES } from './opcode.ts';

const SECRET_BYTES = 32;
/** The current slot and two before it (check_session_hmac_and_pkt_id). */
const SLOTS = 3;

export class SessionCookie {
  readonly #secret: KeyObject;
  readonly #slotMillis: number;

  constructor(random: RandomSource, handshakeWindow: Millis) {
    this.#secret = createSecretKey(random.bytes(SECRET_BYTES));
    this.#slotMillis = handshakeWindow / 2;
  }

  make(clientSession: Uint8Array, remote: Endpoint, now: Instant): Uint8Array {
    return this.#at(Math.floor(now / this.#slotMillis), clientSession, remote);
  }

  verify(cookie: Uint8Array, clientSession: Uint8Array, remote: Endpoint, now: Instant): boolean {
    const slot = Math.floor(now / this.#slotMillis);
    // Which slot it was is no secret: most are of the current one.
    for (let back = 0; back < SLOTS; back++) {
      if (timingSafeEqual(cookie, this.#at(slot - back, clientSession, remote))) return true;
    }
    return false;
  }

  #at(slot: number, clientSession: Uint8Array, remote: Endpoint): Uint8Array {
    const fixed = new Uint8Array(14);
    const view = new DataView(fixed.buffer);
    view.setInt32(0, slot);
    fixed.set(clientSession, 4);
    view.setUint16(12, remote.port);
    return createHmac('sha256', this.#secret)
      .update(fixed)
      .update(remote.address)
      .digest()
      .subarray(0, SESSION_ID_BYTES);
  }
}
