/**
 * A server's end of a session: claim, admission, push.
 *
 *   client                                          server
 *     key method 2 (user, password, peer info)  ->    claim        (answered by admit or refuse)
 *                                              <-     key method 2
 *     PUSH_REQUEST                              ->
 *                                              <-     PUSH_REPLY, or AUTH_FAILED
 *   rekey:
 *     key method 2                              ->    claim        (answered by reauthenticated)
 *                                              <-     key method 2
 */
import type { CloseReason, Instant, Millis, PeerCertificate } from '@culvert/base';
import type { ControlMessage } from './control-message.ts';
import type { PushedConfig, ServerSessionOptions } from './face.ts';
import type { KeyExchange } from './key-exchange.ts';
import type { KeyMethod2 } from './key-method-2.ts';
import { type Agreement, negotiate, offeredCiphers } from './negotiation.ts';
import { Opcode } from './opcode.ts';
import { formatOptions, type PeerOptions, parseOptions } from './options-string.ts';
import { type PeerInfo, Protocol, parsePeerInfo, protocolBits } from './peer-info.ts';
import { chunkPush, pushOptions } from './push-encode.ts';
import { Session } from './session.ts';
import { sanitize } from './text.ts';

/** A repeated PUSH_REQUEST is met with silence for so long after a reply (openvpn push.c sent_push_reply_expiry). */
const PUSH_AGAIN_AFTER: Millis = 30_000;
const NO_SHARED_CIPHER = 'Data channel cipher negotiation failed (no shared cipher)';

interface Peer {
  readonly info: PeerInfo;
  readonly options: PeerOptions;
  readonly agreement: Agreement;
  /** SHA-256 of its certificate: a rekey must show the same. */
  readonly fingerprint: string | undefined;
}

export class ServerSession extends Session {
  readonly #peerId: number;
  readonly #needsPeerIds: boolean;
  #peer: Peer | undefined;
  /** Admitted, and waiting for the client's request. */
  #admitted: PushedConfig | undefined;
  #requested = false;
  #pushed: readonly string[] = [];
  #pushedAt: Instant | undefined;
  /** The exchange of a rekey whose claim is not answered yet. */
  #pendingRekey: KeyExchange | undefined;

  constructor(options: ServerSessionOptions) {
    // The packet that began it all is long, and a session lasts for days.
    const { start, ...lasting } = options;
    super(lasting, {
      role: 'server',
      ownSessionId: start.ownSessionId,
      peerSessionId: start.peerSessionId,
      wrap: start.wrap,
      staticKey: start.staticKey,
      opening: start.resetDue ? Opcode.hardResetServerV2 : undefined,
    });
    if (!Number.isInteger(options.peerId) || options.peerId < 0 || options.peerId >= 0xff_ffff) {
      throw new RangeError('a peer id has 24 bits and is not 0xFFFFFF');
    }
    this.#peerId = options.peerId;
    this.#needsPeerIds = options.needsPeerIds ?? false;
    this.handleDatagram(start.datagram, start.path, options.now);
  }

  /** Let the peer in with this configuration: answers the initial claim. Throws OpenvpnError for a configuration that cannot be pushed. */
  admit(config: PushedConfig, now: Instant): void {
    if (this.phase !== 'claimed' || this.#peer === undefined || this.#admitted !== undefined) return;
    this.#pushed = this.#encodePush(this.#peer, config);
    this.#admitted = config;
    // Clients before 2.5 take a push only after they asked.
    const unasked = (protocolBits(this.#peer.info) & Protocol.requestPush) !== 0;
    if (unasked || this.#requested) this.#configure(now);
    this.settle(now);
  }

  /** Turn the peer away; `tell` is what it may know. `closed` follows with the cause `refused`. */
  refuse(tell: string, now: Instant): void {
    if (this.phase !== 'claimed') return;
    this.#sendAuthFailed(tell, now);
    this.endWith({ cause: 'refused', detail: tell }, now);
    this.settle(now);
  }

  /** Answers the claim of a rekey. Refused, the peer is told `tell` and the session ends. */
  reauthenticated(ok: boolean, tell: string, now: Instant): void {
    const exchange = this.#pendingRekey;
    this.#pendingRekey = undefined;
    if (exchange === undefined || exchange !== this.next || this.phase !== 'up') return;
    this.#sendKeyMethod(exchange, now);
    this.promote(exchange, now);
    if (!ok) {
      this.#sendAuthFailed(tell, now);
      this.endWith({ cause: 'refused', detail: tell }, now);
    }
    this.settle(now);
  }

  protected handleSecure(): void {}

  protected handleKeyMethod(
    exchange: KeyExchange,
    message: KeyMethod2,
    certificate: PeerCertificate | undefined,
    now: Instant,
  ): void {
    const info = parsePeerInfo(message.peerInfo);
    if (exchange === this.active) this.#handleFirst(message, info, certificate, now);
    else this.#handleRekey(exchange, certificate, now);
    if (this.phase === 'closing' || this.phase === 'closed') return;
    const { username, password } = message;
    this.emit({ kind: 'claim', certificate, username, password, peerInfo: info, initial: exchange === this.active });
  }

  protected handleMessage(message: ControlMessage, now: Instant): void {
    switch (message.kind) {
      case 'push-request':
        this.#handlePushRequest(now);
        return;
      case 'exit':
        this.endWith({ cause: 'peer', detail: 'the client said goodbye' }, now);
        return;
      case 'info':
        this.note('the client says', { text: message.text });
        return;
      default:
        this.note('the client sent a command that makes no sense here', {
          command: message.kind === 'unknown' ? message.text : message.kind,
        });
    }
  }

  /** RESTART lets a client come back, HALT stops it, AUTH_FAILED makes it forget its password. */
  protected sayGoodbye({ cause, detail }: CloseReason, now: Instant): void {
    if (this.phase === 'claimed' || cause === 'refused' || cause === 'revoked') this.#sendAuthFailed(detail, now);
    else if (cause === 'operator' || cause === 'replaced') this.sendMessage(`HALT,${sanitize(detail)}`, now);
    else this.sendMessage(`RESTART,${sanitize(detail)}`, now);
  }

  protected describeDeadline(): string {
    const seconds = Math.round(this.settings.handshakeWindow / 1_000);
    if (this.phase === 'closing') return 'the client did not acknowledge our goodbye';
    if (this.phase === 'claimed') {
      return this.#admitted === undefined
        ? `admission gave no answer in ${seconds} s`
        : `the client was let in, and asked for no configuration in ${seconds} s`;
    }
    if (this.active.state === 'opening')
      return `the client proved its address, and sent no TLS message in ${seconds} s`;
    if (this.active.state === 'secure')
      return `the client sent no key exchange message in ${seconds} s after the TLS handshake`;
    return (
      `the TLS handshake did not end in ${seconds} s: the client went away, large packets are lost on the way (MTU), ` +
      'or it refuses our certificate without a word (its ca or verify-x509-name does not match)'
    );
  }

  protected handleRoleTimeout(): void {}
  protected roleTimeout(): undefined {
    return undefined;
  }

  #handleFirst(message: KeyMethod2, info: PeerInfo, certificate: PeerCertificate | undefined, now: Instant): void {
    const options = parseOptions(message.options);
    const agreement = negotiate(this.settings.dataCiphers, info, options);
    const version = info.get('IV_VER');
    if (version !== undefined) this.facts['peer'] = version;
    this.phase = 'claimed';
    this.deadline = (now + this.settings.handshakeWindow) as Instant;
    this.#sendKeyMethod(this.active, now);
    if (agreement === undefined) {
      const theirs = offeredCiphers(info, options).join(':') || 'none';
      const ours = this.settings.dataCiphers.join(':');
      this.#turnAway(
        NO_SHARED_CIPHER,
        `no data cipher is shared: the client offers ${sanitize(theirs)}, we have ${ours}`,
        now,
      );
    } else if (options.device === 'tap') {
      this.#turnAway('this server carries IP packets (dev tun), not Ethernet', 'the client uses dev tap', now);
    } else if (this.#needsPeerIds && !agreement.features.dataV2) {
      this.#turnAway(
        'this server needs a client that sends peer ids (IV_PROTO=2)',
        'the client sends no peer ids (DATA_V1), by which packet threads are told apart: it can use TCP',
        now,
      );
    } else {
      this.#peer = { info, options, agreement, fingerprint: certificate?.fingerprint256 };
    }
  }

  #handleRekey(exchange: KeyExchange, certificate: PeerCertificate | undefined, now: Instant): void {
    if (certificate?.fingerprint256 !== this.#peer?.fingerprint) {
      this.endWith({ cause: 'protocol', detail: 'the client changed its certificate during a rekey' }, now);
      return;
    }
    this.#pendingRekey = exchange;
  }

  #handlePushRequest(now: Instant): void {
    this.#requested = true;
    if (this.phase === 'claimed' && this.#admitted !== undefined) this.#configure(now);
    else if (this.#pushedAt !== undefined && now >= this.#pushedAt + PUSH_AGAIN_AFTER) this.#push(now);
  }

  #configure(now: Instant): void {
    const peer = this.#peer;
    const config = this.#admitted;
    if (peer === undefined || config === undefined) return;
    const { cipher, features } = peer.agreement;
    const peerId = features.dataV2 ? this.#peerId : undefined;
    this.#push(now);
    const framing = peer.options.compression ? 'lzo-framing' : 'none';
    this.bringUp({ cipher, features, peerId, framing, keepalive: config.keepalive }, now);
    this.emit({ kind: 'up', config, peerId });
  }

  #push(now: Instant): void {
    this.#pushedAt = now;
    for (const message of this.#pushed) this.sendMessage(message, now);
  }

  #encodePush({ info, agreement, options }: Peer, config: PushedConfig): string[] {
    const maxMtuText = info.get('IV_MTU');
    const maxMtu = maxMtuText !== undefined && /^\d{2,5}$/.test(maxMtuText) ? Number(maxMtuText) : undefined;
    const peerId = agreement.features.dataV2 ? this.#peerId : undefined;
    return chunkPush(pushOptions({ config, agreement, peerId, maxMtu, compression: options.compression }));
  }

  #sendKeyMethod(exchange: KeyExchange, now: Instant): void {
    const { options, settings } = this;
    const text = formatOptions({
      role: 'server',
      protocol: options.protocol,
      ipVersion: this.path.remote.address.includes(':') ? 6 : 4,
      tunMtu: settings.tunMtu,
      cipher: this.#peer?.agreement.cipher ?? settings.dataCiphers[0] ?? 'AES-256-GCM',
    });
    exchange.sendKeyMethod({ options: text, username: undefined, password: undefined, peerInfo: undefined }, now);
  }

  #turnAway(tell: string, detail: string, now: Instant): void {
    this.#sendAuthFailed(tell, now);
    this.endWith({ cause: 'refused', detail }, now);
  }

  #sendAuthFailed(tell: string, now: Instant): void {
    const reason = sanitize(tell);
    this.sendMessage(reason === '' ? 'AUTH_FAILED' : `AUTH_FAILED,${reason}`, now);
  }
}
