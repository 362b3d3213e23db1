/**
 * Judges datagrams that belong to no session (openvpn mudp.c do_pre_decrypt_check, ssl_pkt.c tls_pre_decrypt_lite).
 *
 *   client                                   acceptor
 *     HARD_RESET_CLIENT_V2, sid c        ->
 *                                        <-    HARD_RESET_SERVER_V2, sid s = cookie(c, address, port, time)   nothing is kept
 *     CONTROL_V1 or ACK_V1, c, acks s    ->    a session                            (or its reset again, acknowledging ours)
 *
 * A tls-crypt-v2 client brings its key in HARD_RESET_CLIENT_V3, is asked for it again, and sends it in CONTROL_WKC_V1.
 *
 * Owns the cookie and the rate of first replies. Keeps nothing of a peer: a spoofed reset allocates nothing and gets back no more bytes
 * than it sent. Where our reset with its acknowledgement would be longer than the client's, the acknowledgement is left out: the client
 * then acknowledges our reset alone, and the session that this makes acknowledges the client's.
 */
import type { Instant, Millis, Path, RandomSource, WallClock } from '@culvert/base';
import { LONGEST_CONTROL } from './control-channel.ts';
import { decodeBody, encodeBody, encodeHead } from './control-packet.ts';
import { SessionCookie } from './cookie.ts';
import { resendWrappedKey } from './early-negotiation.ts';
import type { ServerWrap } from './face.ts';
import { Opcode, SESSION_ID_BYTES } from './opcode.ts';
import type { SessionStart } from './session-start.ts';
import { CONTROL_HEAD_BYTES } from './wrap/control-wrap.ts';
import { type DropReason, ServerWraps, type StrangerPacket } from './wrap/server-wraps.ts';

export type { DropReason } from './wrap/server-wraps.ts';

export type Verdict =
  | { readonly kind: 'drop'; readonly why: DropReason }
  /** Send it back on the path of the question. It is never longer than the question. */
  | { readonly kind: 'reply'; readonly datagram: Uint8Array }
  /** Make a ServerSession of it; the session processes the datagram itself. */
  | { readonly kind: 'session'; readonly start: SessionStart };

export interface AcceptorOptions {
  readonly random: RandomSource;
  readonly wallClock: WallClock;
  readonly wrap: ServerWrap;
  /** Clients have one to one and a half of it to answer our first reply. @default 60_000 */
  readonly handshakeWindow?: Millis | undefined;
  /** First packets answered in an interval; more are dropped. @default 100 in 10_000 (openvpn's connect-freq-initial) */
  readonly limits?: { readonly initialPerInterval: number; readonly intervalMillis: Millis } | undefined;
}

const DEFAULT_LIMITS = { initialPerInterval: 100, intervalMillis: 10_000 };
/** Ids of a client's first two flights (check_session_hmac_and_pkt_id). */
const HIGHEST_FIRST_ID = 1;

export class Acceptor {
  readonly stats = {
    replies: 0,
    sessions: 0,
    malformed: 0,
    unknownOpcode: 0,
    unauthenticated: 0,
    noCookie: 0,
    tooMany: 0,
    oldClient: 0,
    refusedMetadata: 0,
  };
  readonly #random: RandomSource;
  readonly #wraps: ServerWraps;
  readonly #cookie: SessionCookie;
  readonly #limits: { readonly initialPerInterval: number; readonly intervalMillis: Millis };
  #intervalEnd = Number.NEGATIVE_INFINITY;
  #answered = 0;

  constructor(options: AcceptorOptions) {
    this.#random = options.random;
    this.#wraps = new ServerWraps(options.wrap, options.wallClock);
    this.#cookie = new SessionCookie(options.random, options.handshakeWindow ?? 60_000);
    this.#limits = options.limits ?? DEFAULT_LIMITS;
  }

  /** Judge a datagram. Its bytes are kept only by a `session` verdict, as a copy. Never throws for what a stranger sent. */
  handleInitial(datagram: Uint8Array, path: Path, now: Instant): Verdict {
    const opened = this.#open(datagram);
    if (typeof opened === 'string') return this.#drop(opened);
    const body = decodeBody(opened.opcode, opened.body);
    if (body === undefined) return this.#drop('malformed');
    const first = body.acks.every((id) => id <= HIGHEST_FIRST_ID) && (body.packetId ?? 0) <= HIGHEST_FIRST_ID;
    const cookie = body.ackedSession;
    if (first && cookie !== undefined && this.#cookie.verify(cookie, opened.sessionId, path.remote, now)) {
      this.#answered = Math.max(0, this.#answered - 1);
      return this.#session(opened, datagram, path, { ownSessionId: cookie.slice(), resetDue: false });
    }
    const isReset = opened.opcode === Opcode.hardResetClientV2 || opened.opcode === Opcode.hardResetClientV3;
    if (!isReset) return this.#drop('noCookie');
    if (body.packetId !== 0) return this.#drop('malformed');
    return this.#answerReset(opened, datagram, path, now);
  }

  /** Over a stream there is no cookie: the first packet makes the session. There is no `reply`. */
  handleStreamInitial(packet: Uint8Array, path: Path, now: Instant): Verdict {
    const opened = this.#open(packet);
    if (typeof opened === 'string') return this.#drop(opened);
    if (opened.opcode !== Opcode.hardResetClientV2 && opened.opcode !== Opcode.hardResetClientV3)
      return this.#drop('unknownOpcode');
    if (decodeBody(opened.opcode, opened.body)?.packetId !== 0) return this.#drop('malformed');
    if (!this.#mayAnswer(now)) return this.#drop('tooMany');
    return this.#session(opened, packet, path, { ownSessionId: this.#newSessionId(), resetDue: true });
  }

  #open(datagram: Uint8Array): StrangerPacket | DropReason {
    if (datagram.length <= CONTROL_HEAD_BYTES || datagram.length > LONGEST_CONTROL) return 'malformed';
    const first = datagram[0] ?? 0;
    if ((first & 7) !== 0 || !isFirstOpcode(first >>> 3)) return 'unknownOpcode';
    if (datagram.subarray(1, CONTROL_HEAD_BYTES).every((byte) => byte === 0)) return 'malformed';
    return this.#wraps.open(datagram);
  }

  #answerReset(opened: StrangerPacket, datagram: Uint8Array, path: Path, now: Instant): Verdict {
    if (opened.keepsNoKey && !this.#wraps.statefulFallback) return this.#drop('oldClient');
    if (!this.#mayAnswer(now)) return this.#drop('tooMany');
    if (opened.keepsNoKey)
      return this.#session(opened, datagram, path, { ownSessionId: this.#newSessionId(), resetDue: true });
    const ownSession = this.#cookie.make(opened.sessionId, path.remote, now);
    const full = this.#reset(opened, ownSession, [0]);
    const reply = full.length <= datagram.length ? full : this.#reset(opened, ownSession, []);
    if (reply.length > datagram.length) return this.#drop('malformed');
    this.stats.replies++;
    return { kind: 'reply', datagram: reply };
  }

  #reset(opened: StrangerPacket, ownSession: Uint8Array, acks: readonly number[]): Uint8Array {
    const payload = opened.opcode === Opcode.hardResetClientV3 ? resendWrappedKey : new Uint8Array(0);
    const body = encodeBody({ acks, ackedSession: opened.sessionId, packetId: 0, payload });
    return opened.wrapFor(1).wrap(encodeHead(Opcode.hardResetServerV2, 0, ownSession), body);
  }

  #session(
    opened: StrangerPacket,
    datagram: Uint8Array,
    path: Path,
    { ownSessionId, resetDue }: { readonly ownSessionId: Uint8Array; readonly resetDue: boolean },
  ): Verdict {
    this.stats.sessions++;
    const start: SessionStart = {
      path,
      peerSessionId: opened.sessionId.slice(),
      ownSessionId,
      // A stateless reset had replay id 1 and the same second may still last.
      wrap: opened.wrapFor(resetDue ? 1 : 2),
      staticKey: opened.staticKey,
      datagram: datagram.slice(),
      resetDue,
    };
    return { kind: 'session', start };
  }

  #mayAnswer(now: Instant): boolean {
    if (now >= this.#intervalEnd) {
      this.#intervalEnd = now + this.#limits.intervalMillis;
      this.#answered = 0;
    }
    if (this.#answered >= this.#limits.initialPerInterval) return false;
    this.#answered++;
    return true;
  }

  #newSessionId(): Uint8Array {
    for (;;) {
      const id = this.#random.bytes(SESSION_ID_BYTES);
      if (id.some((byte) => byte !== 0)) return id;
    }
  }

  #drop(why: DropReason): Verdict {
    this.stats[why]++;
    return { kind: 'drop', why };
  }
}

function isFirstOpcode(opcode: number): boolean {
  return (
    opcode === Opcode.hardResetClientV2 ||
    opcode === Opcode.hardResetClientV3 ||
    opcode === Opcode.controlV1 ||
    opcode === Opcode.controlWkcV1 ||
    opcode === Opcode.ackV1
  );
}
