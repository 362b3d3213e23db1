/**
 * The server's session id as a cookie: it proves that the peer gets what we send to its address, and costs us no memory
 * (what openvpn ssl_pkt.c calculate_session_id_hmac does; any MAC will do).
 *
 * cookie = the first 8 bytes of HMAC-SHA256(secret, time slot 4 | client session id 8 | port 2 | address text)
 */
import { timingSafeEqual } from 'node:crypto';
import type { Endpoint, Instant, Millis, RandomSource } from '@culvert/base';
import { TLS_CRYPT_KEY_BYTES, TLS_CRYPT_TAG_BYTES } from '@culvert/cipher';
import { writeUint32 } from './bytes.ts';
import { SESSION_ID_BYTES } from './opcode.ts';
import { encodeText } from './text.ts';
import { tlsCrypt } from './wrap/tls-crypt.ts';

/** Before the address. */
const FIXED_BYTES = 14;
/** IPv6 with the number of an interface has 50 at most. */
const LONGEST_ADDRESS = 64;
const NOTHING = new Uint8Array(0);
/** The current slot and two before it (check_session_hmac_and_pkt_id). */
const SLOTS = 3;

export class SessionCookie {
  /** Of tls-crypt, whose tag over a head with nothing behind it is this MAC, for a quarter of what node:crypto takes. */
  readonly #secret: Uint8Array;
  readonly #slotMillis: number;
  readonly #input = new Uint8Array(FIXED_BYTES + LONGEST_ADDRESS);
  readonly #tag = new Uint8Array(TLS_CRYPT_TAG_BYTES);

  constructor(random: RandomSource, handshakeWindow: Millis) {
    this.#secret = random.bytes(TLS_CRYPT_KEY_BYTES);
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
    const input = this.#input;
    const address = encodeText(remote.address);
    writeUint32(input, 0, slot);
    input.set(clientSession, 4);
    input[12] = remote.port >>> 8;
    input[13] = remote.port;
    input.set(address, FIXED_BYTES);
    tlsCrypt.seal(this.#secret, input.subarray(0, FIXED_BYTES + address.length), NOTHING, this.#tag);
    return this.#tag.slice(0, SESSION_ID_BYTES);
  }
}
