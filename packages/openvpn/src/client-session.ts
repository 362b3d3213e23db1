/**
 * A client's end of a session: shows itself, asks for its configuration, takes what is pushed.
 *
 *   client                                          server
 *     key method 2                              ->
 *                                              <-     key method 2
 *     PUSH_REQUEST, again and again             ->
 *                                              <-     PUSH_REPLY (or AUTH_PENDING, AUTH_FAILED)
 */
import type { CloseReason, Instant, Millis } from '@culvert/base';
import type { ControlMessage } from './control-message.ts';
import type { AeadName, ClientSessionOptions, ClientWrap } from './face.ts';
import type { KeyExchange } from './key-exchange.ts';
import { checkKeyMethodLength, type KeyMethod2 } from './key-method-2.ts';
import { Opcode, SESSION_ID_BYTES } from './opcode.ts';
import { formatOptions, parseOptions } from './options-string.ts';
import { clientPeerInfo } from './peer-info.ts';
import { PushAssembly } from './push-assembly.ts';
import { decodePush, type PushedSettings } from './push-decode.ts';
import { Session, type SessionInit } from './session.ts';
import type { ControlWrap } from './wrap/control-wrap.ts';
import { createNoWrap } from './wrap/none.ts';
import { createTlsCryptWrap } from './wrap/tls-crypt.ts';
import { createTlsCryptV2Client } from './wrap/tls-crypt-v2.ts';

/** When PUSH_REQUEST goes out again, since the last: quick at first, then as 2.x does (common.h PUSH_REQUEST_INTERVAL). */
const PUSH_INTERVALS: readonly Millis[] = [1_000, 2_000, 5_000];
/** The largest tun-mtu that we take, as IV_MTU says; 2.6 says the same. */
const LARGEST_MTU = 1_600;
/** However long a server says that a login goes on elsewhere. */
const LONGEST_PENDING: Millis = 600_000;
/** What a server says in words is told on so often. */
const TOLD_PER_INTERVAL = 10;
const TOLD_INTERVAL: Millis = 60_000;

export class ClientSession extends Session {
  readonly #client: ClientSessionOptions;
  readonly #assembly = new PushAssembly();
  #username: string | undefined;
  #password: string | undefined;
  #serverOptions = '';
  #serverFingerprint: string | undefined;
  #pushRequests = 0;
  #requestAt: Instant | undefined;
  #toldSince: Instant;
  #told = 0;

  /** Throws RangeError for options that make no sense, and for a user name, password or peer info too long for peers. */
  constructor(options: ClientSessionOptions) {
    super(options, initOf(options));
    this.#toldSince = options.now;
    this.#client = options;
    this.#username = options.username;
    this.#password = options.password;
    this.#keyMethod(options.username, options.password);
    this.settle(options.now);
  }

  protected handleSecure(exchange: KeyExchange, now: Instant): void {
    exchange.sendKeyMethod(this.#keyMethod(this.#username, this.#password), now);
  }

  protected handleKeyMethod(
    exchange: KeyExchange,
    message: KeyMethod2,
    certificate: { readonly fingerprint256: string } | undefined,
    now: Instant,
  ): void {
    if (exchange !== this.active) {
      if (certificate?.fingerprint256 === this.#serverFingerprint) this.promote(exchange, now);
      else this.endWith({ cause: 'protocol', detail: 'the server changed its certificate during a rekey' }, now);
      return;
    }
    this.#serverFingerprint = certificate?.fingerprint256;
    this.#serverOptions = message.options;
    this.phase = 'claimed';
    this.deadline = (now + this.settings.handshakeWindow) as Instant;
    this.#requestPush(now);
  }

  protected handleMessage(message: ControlMessage, now: Instant): void {
    switch (message.kind) {
      case 'push-reply':
        this.#handlePushReply(message.text, now);
        return;
      case 'auth-failed':
        this.#handleAuthFailed(message, now);
        return;
      case 'auth-pending':
        this.#handlePending(message.timeoutSeconds, now);
        return;
      case 'restart':
        this.#ended('peer', 'the server asks to connect again', message.reason, now);
        return;
      case 'halt':
        this.#ended('refused', 'the server ended the connection for good', message.reason, now);
        return;
      case 'exit':
        this.#ended('peer', 'the server said goodbye', '', now);
        return;
      case 'info':
        if (this.#mayTell(now)) this.note('the server says', { text: message.text });
        return;
      default:
        if (!this.#mayTell(now)) return;
        this.note('the server sent a command that we do not know', {
          command: message.kind === 'unknown' ? message.text : message.kind,
        });
    }
  }

  /** A server may fill nobody's log. */
  #mayTell(now: Instant): boolean {
    if (now >= this.#toldSince + TOLD_INTERVAL) {
      this.#toldSince = now;
      this.#told = 0;
    }
    return ++this.#told <= TOLD_PER_INTERVAL;
  }

  protected sayGoodbye(_reason: CloseReason, now: Instant): void {
    if (this.features?.controlExit === true) this.sendMessage('EXIT', now);
    // A 2.x peer reads the control channel of its newest key alone.
    if (this.features?.controlExit !== true || this.next !== undefined) this.sendExitAsData(now);
  }

  protected describeDeadline(): string {
    const seconds = Math.round(this.settings.handshakeWindow / 1_000);
    const { address, port } = this.path.remote;
    const wrong = this.stats.unauthenticated + this.stats.malformed;
    if (this.phase === 'closing') return 'the server did not acknowledge our goodbye';
    if (this.phase === 'claimed') return `the server sent no configuration in ${seconds} s`;
    if (this.active.state === 'opening') {
      const heard =
        wrong > 0
          ? `${wrong} answers from ${address} port ${port} could not be read`
          : `no answer from ${address} port ${port}`;
      return (
        `${heard} in ${seconds} s: the server does not run, a firewall is in between, or it drops our packets since ` +
        'the control channel key (tls-crypt, tls-crypt-v2, tls-auth) is not its own'
      );
    }
    if (this.active.state === 'secure')
      return (
        `the server sent no key exchange message in ${seconds} s after the TLS handshake: servers up to OpenVPN 2.6 fall silent ` +
        'when they refuse our certificate (revoked, expired, not of their CA); their log has the reason'
      );
    return `the TLS handshake did not end in ${seconds} s: large packets are lost on the way (MTU), or the server refuses us without a word`;
  }

  /** Why a server may have ended the stream under us just now, with likely causes; undefined once the session is up. */
  describeClosedStream(): string | undefined {
    if (this.phase === 'up' || this.phase === 'closing' || this.phase === 'closed') return undefined;
    if (this.phase === 'handshake' && this.active.state === 'opening')
      return 'it is no OpenVPN server, or the control channel key (tls-crypt, tls-crypt-v2, tls-auth) is not its own';
    return (
      'servers up to OpenVPN 2.6 end the connection without a word when they refuse our certificate (revoked, expired, not of ' +
      'their CA); their log has the reason'
    );
  }

  protected handleRoleTimeout(now: Instant): void {
    if (this.#requestAt !== undefined && now >= this.#requestAt && this.phase === 'claimed') this.#requestPush(now);
  }

  protected roleTimeout(): Instant | undefined {
    return this.phase === 'claimed' ? this.#requestAt : undefined;
  }

  /** Throws RangeError where user name, password and peer info are too long for peers. */
  #keyMethod(username: string | undefined, password: string | undefined): Omit<KeyMethod2, 'source'> {
    const { settings } = this;
    const { version = 'culvert', peerInfo = {}, protocol } = this.#client;
    const options = formatOptions({
      role: 'client',
      protocol,
      ipVersion: this.path.remote.address.includes(':') ? 6 : 4,
      tunMtu: settings.tunMtu,
      cipher: settings.dataCiphers[0] ?? 'AES-256-GCM',
    });
    const info = clientPeerInfo({ version, maxMtu: this.#maxMtu, ciphers: settings.dataCiphers, extra: peerInfo });
    const message = { options, username, password, peerInfo: info };
    checkKeyMethodLength(message);
    return message;
  }

  /** A token takes the password's place in the next key exchange. */
  #takeToken({ token, username = this.#username }: NonNullable<PushedSettings['authToken']>): void {
    try {
      this.#keyMethod(username, token);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.note('the server pushed a login token that is too long to send back');
      return;
    }
    this.#username = username;
    this.#password = token;
  }

  get #maxMtu(): number {
    return Math.max(LARGEST_MTU, this.settings.tunMtu);
  }

  #requestPush(now: Instant): void {
    this.sendMessage('PUSH_REQUEST', now);
    const interval = PUSH_INTERVALS[Math.min(this.#pushRequests, PUSH_INTERVALS.length - 1)] ?? 0;
    this.#pushRequests++;
    this.#requestAt = (now + interval) as Instant;
  }

  #handlePushReply(text: string, now: Instant): void {
    const options = this.#assembly.take(text);
    if (options === 'more') return;
    if (options === 'tooLong') {
      this.#giveUp('the server pushes options without end', now);
      return;
    }
    const pushed = decodePush(options, this.#maxMtu);
    if (pushed.authToken !== undefined) this.#takeToken(pushed.authToken);
    // A later reply renews a token; it does not configure again.
    if (this.phase !== 'claimed') return;
    for (const sentence of pushed.notes) this.note(sentence);
    this.#configure(pushed, now);
  }

  #configure(pushed: PushedSettings, now: Instant): void {
    const wanted = (pushed.cipher ?? parseOptions(this.#serverOptions).cipher ?? '').toUpperCase();
    const cipher: AeadName | undefined = this.settings.dataCiphers.find((name) => name === wanted);
    if (pushed.refuse !== undefined) {
      this.#giveUp(pushed.refuse, now);
    } else if (cipher === undefined) {
      const ours = this.settings.dataCiphers.join(':');
      this.#giveUp(`the server wants data cipher ${wanted || '(none named)'}, we have ${ours}`, now);
    } else {
      const { peerId, compression, config, flags } = pushed;
      const features = { dataV2: peerId !== undefined, ...flags };
      this.bringUp({ cipher, features, peerId, framing: compression, keepalive: config.keepalive }, now);
      this.emit({ kind: 'up', config, peerId });
    }
  }

  #handleAuthFailed(message: Extract<ControlMessage, { kind: 'auth-failed' }>, now: Instant): void {
    const what = message.temporary
      ? 'the server cannot take us now'
      : message.sessionExpired
        ? 'the server ended our login session'
        : 'the server refused us';
    this.#ended('refused', what, message.reason === '' ? 'authentication failed' : message.reason, now);
  }

  #handlePending(timeoutSeconds: number | undefined, now: Instant): void {
    if (this.phase !== 'claimed') return;
    const wait = Math.min(LONGEST_PENDING, (timeoutSeconds ?? 0) * 1_000);
    this.deadline = Math.max(this.deadline ?? now, now + wait) as Instant;
    this.note('the server waits for a login to be completed elsewhere', { seconds: Math.round(wait / 1_000) });
  }

  #ended(cause: CloseReason['cause'], what: string, reason: string, now: Instant): void {
    this.endWith({ cause, detail: reason === '' ? what : `${what}: ${reason}` }, now);
  }

  #giveUp(detail: string, now: Instant): void {
    this.sayGoodbye({ cause: 'protocol', detail }, now);
    this.endWith({ cause: 'protocol', detail }, now);
  }
}

function initOf(options: ClientSessionOptions): SessionInit {
  const time = Math.floor(options.wallClock.unixMillis() / 1_000);
  const isV2 = options.wrap.kind === 'tls-crypt-v2';
  return {
    role: 'client',
    ownSessionId: newSessionId(options),
    peerSessionId: undefined,
    wrap: createWrap(options.wrap, time),
    staticKey: staticKeyOf(options.wrap),
    opening: isV2 ? Opcode.hardResetClientV3 : Opcode.hardResetClientV2,
  };
}

function createWrap(wrap: ClientWrap, time: number): ControlWrap {
  switch (wrap.kind) {
    case 'none':
      return createNoWrap();
    case 'tls-crypt':
      return createTlsCryptWrap({ role: 'client', staticKey: wrap.key, time });
    case 'tls-crypt-v2':
      return createTlsCryptV2Client(wrap.clientKey, wrap.wrapped, time);
  }
}

function staticKeyOf(wrap: ClientWrap): Uint8Array | undefined {
  if (wrap.kind === 'none') return undefined;
  return wrap.kind === 'tls-crypt' ? wrap.key : wrap.clientKey;
}

function newSessionId({ random }: ClientSessionOptions): Uint8Array {
  for (;;) {
    const id = random.bytes(SESSION_ID_BYTES);
    if (id.some((byte) => byte !== 0)) return id;
  }
}
