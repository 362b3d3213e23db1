/**
 * Key method 2: the first plaintext in each TLS session, client first, the server answers (openvpn ssl.c key_method_2_write).
 *
 *   | 0 (4) | 2 (1) | pre-master secret 48, client only | random1 32 | random2 32 | options | username | password | peer info |
 *
 * A string is its length with the terminating NUL (2), and its bytes; length 0 is "absent". Trailing strings may be missing.
 */
import type { RandomSource } from '@culvert/base';
import { Reader, WireError, Writer } from '@culvert/wire';
import { OpenvpnError } from './errors.ts';
import { decodeText, encodeText } from './text.ts';

// Fixed by openvpn.
const KEY_METHOD = 2;
const PRE_MASTER_BYTES = 48;
const RANDOM_BYTES = 32;
/** A peer reads the whole message into a buffer of this size (common.h TLS_CHANNEL_BUF_SIZE). */
const LONGEST_KEY_METHOD = 2_048;

// Chosen by us: what an unauthenticated peer can make us hold.
const LONGEST = { options: 1_024, username: 512, password: 4_096, peerInfo: 4_096 };

export interface KeySource {
  /** Clients only. */
  readonly preMaster: Uint8Array | undefined;
  readonly random1: Uint8Array;
  readonly random2: Uint8Array;
}

export interface KeyMethod2 {
  readonly source: KeySource;
  readonly options: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly peerInfo: string | undefined;
}

export function createKeySource(random: RandomSource, role: 'client' | 'server'): KeySource {
  return {
    preMaster: role === 'client' ? random.bytes(PRE_MASTER_BYTES) : undefined,
    random1: random.bytes(RANDOM_BYTES),
    random2: random.bytes(RANDOM_BYTES),
  };
}

/** @param from who sent it. Throws OpenvpnError or WireError. */
export function decodeKeyMethod2(bytes: Uint8Array, from: 'client' | 'server'): KeyMethod2 {
  const r = new Reader(bytes);
  r.u32('zero');
  const method = r.u8('key method') & 0x0f;
  if (method !== KEY_METHOD)
    throw new OpenvpnError('CULVERT_OPENVPN_KEY_METHOD', `key method ${method}, 2 is expected`);
  const preMaster = from === 'client' ? r.bytes(PRE_MASTER_BYTES, 'pre-master secret').slice() : undefined;
  const random1 = r.bytes(RANDOM_BYTES, 'random1').slice();
  const random2 = r.bytes(RANDOM_BYTES, 'random2').slice();
  return {
    source: { preMaster, random1, random2 },
    options: readString(r, 'options') ?? '',
    username: readString(r, 'username'),
    password: readString(r, 'password'),
    peerInfo: readString(r, 'peerInfo'),
  };
}

export function encodeKeyMethod2(message: KeyMethod2): Uint8Array {
  const w = new Writer(1_024).u32(0).u8(KEY_METHOD);
  if (message.source.preMaster !== undefined) w.bytes(message.source.preMaster);
  w.bytes(message.source.random1).bytes(message.source.random2);
  for (const field of ['options', 'username', 'password', 'peerInfo'] as const) writeString(w, message[field]);
  return w.finish();
}

/** Throws RangeError when a client's message would be longer than servers can read. */
export function checkKeyMethodLength(message: Omit<KeyMethod2, 'source'>): void {
  const w = new Writer(1_024);
  for (const field of ['options', 'username', 'password', 'peerInfo'] as const) writeString(w, message[field]);
  const length = 5 + PRE_MASTER_BYTES + 2 * RANDOM_BYTES + w.length;
  if (length > LONGEST_KEY_METHOD) {
    throw new RangeError(
      `user name, password and peer info together are too long: ${length} of ${LONGEST_KEY_METHOD} bytes`,
    );
  }
}

function readString(r: Reader, field: keyof typeof LONGEST): string | undefined {
  if (r.remaining === 0) return undefined;
  const length = r.u16(`length of ${field}`);
  if (length === 0) return undefined;
  if (length > LONGEST[field]) throw new WireError('CULVERT_WIRE_LENGTH', `${field} has ${length} bytes`);
  const bytes = r.bytes(length, field);
  const end = bytes.indexOf(0);
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
}

function writeString(w: Writer, text: string | undefined): void {
  if (text === undefined) {
    w.u16(0);
    return;
  }
  const bytes = encodeText(text);
  w.u16(bytes.length + 1)
    .bytes(bytes)
    .u8(0);
}
