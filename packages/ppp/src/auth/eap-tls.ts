/**
 * EAP-TLS (RFC 5216; with TLS 1.3, RFC 9190): both ends prove themselves by certificates. The engine, with all of its policy, is handed in.
 *
 * With TLS 1.3 the server's last word is a byte 0 under the new keys, without which the client believes no Success: a Success alone is
 * not protected, and the client is done with the handshake before the server has looked at its certificate.
 */
import type { PeerCertificate } from '@culvert/base';
import type { TlsContext, TlsEngine } from '@culvert/tls';
import type { EapClientMethod, EapClientStep, EapFailed, EapServerMethod, EapServerStep } from './eap-method.ts';
import { EapType } from './eap-packet.ts';
import { acknowledgement, EapTlsFragments, START } from './eap-tls-fragments.ts';
import type { AuthMaterial, AuthVerdict } from './machine.ts';

/** RFC 9190, section 2.5. */
const COMMITMENT = Uint8Array.of(0);
// The Master Session Key (RFC 5216, section 2.3; RFC 9190, section 2.3): half of it for each direction.
const KEYS_BYTES = 128;
const SECOND_KEY_AT = 32;
const START_KEY_BYTES = 16;

const notUnderstood =
  'the peer does not understand how EAP-TLS ends with TLS 1.3 (RFC 9190, section 2.5); let it speak TLS 1.2';

type Protocol = 'TLSv1.2' | 'TLSv1.3';

/** The keys of MPPE (RFC 3079, section 4; RFC 5216, section 2.3: Enc-RECV-Key, Enc-SEND-Key). */
function materialOf(engine: TlsEngine, protocol: Protocol): AuthMaterial {
  const keys =
    protocol === 'TLSv1.3'
      ? engine.exportKeyingMaterial('EXPORTER_EAP_TLS_Key_Material', KEYS_BYTES, Uint8Array.of(EapType.tls))
      : engine.exportKeyingMaterial('client EAP encryption', KEYS_BYTES);
  const fromClient = keys.slice(0, START_KEY_BYTES);
  const fromServer = keys.slice(SECOND_KEY_AT, SECOND_KEY_AT + START_KEY_BYTES);
  keys.fill(0);
  return { authenticatorResponse: undefined, mppeMasterKey: undefined, mppeStartKeys: { fromClient, fromServer } };
}

interface Handshake {
  readonly secure: { readonly protocol: Protocol; readonly peerCertificate: PeerCertificate | undefined } | undefined;
  readonly data: Uint8Array | undefined;
  readonly failed: EapFailed | undefined;
}

/** What the engine has to tell. */
function eventsOf(engine: TlsEngine): Handshake {
  const all: { -readonly [Key in keyof Handshake]: Handshake[Key] } = {
    secure: undefined,
    data: undefined,
    failed: undefined,
  };
  for (let event = engine.pollEvent(); event !== undefined; event = engine.pollEvent()) {
    if (event.kind === 'secure') all.secure = event;
    else if (event.kind === 'data') all.data = event.bytes;
    else if (event.kind === 'failed') all.failed = { kind: 'failed', reason: event.reason };
    else all.failed ??= { kind: 'failed', reason: 'the peer ended TLS' };
  }
  return all;
}

export class EapTlsServer implements EapServerMethod {
  readonly type = EapType.tls;
  readonly #identity: string;
  readonly #engine: TlsEngine;
  readonly #fragments: EapTlsFragments;
  #protocol: Protocol | undefined;
  #isAdmitted = false;
  /** Our alert is on its way: what comes of it. */
  #failed: EapFailed | undefined;

  constructor(options: { readonly identity: string; readonly tls: TlsContext }) {
    this.#identity = options.identity;
    this.#engine = options.tls.createEngine();
    this.#fragments = new EapTlsFragments(this.#engine);
  }
  begin(): Uint8Array {
    return Uint8Array.of(START);
  }
  handleResponse(data: Uint8Array): EapServerStep | undefined {
    if (this.#failed !== undefined) return this.#failed;
    const received = this.#fragments.handle(data);
    if (received === 'malformed') return { kind: 'failed', reason: 'the peer breaks EAP-TLS' };
    if (received === 'fragment') return { kind: 'ask', data: acknowledgement };
    if (received === 'next') return { kind: 'ask', data: this.#fragments.take() };
    return this.#handleFlight();
  }
  handleVerdict(verdict: AuthVerdict): EapServerStep {
    if (verdict.kind === 'refused') {
      return { kind: 'failed', reason: `${this.#identity} was refused`, detail: verdict };
    }
    this.#isAdmitted = true;
    if (this.#protocol === 'TLSv1.3') this.#engine.write(COMMITMENT);
    return { kind: 'ask', data: this.#fragments.take() };
  }
  dispose(): void {
    this.#engine.close();
  }

  #handleFlight(): EapServerStep {
    const { secure, failed } = eventsOf(this.#engine);
    if (failed !== undefined) {
      this.#failed = this.#isAdmitted ? { kind: 'failed', reason: `${notUnderstood} (${failed.reason})` } : failed;
      const alert = this.#fragments.take();
      return alert.length > acknowledgement.length ? { kind: 'ask', data: alert } : this.#failed;
    }
    if (secure !== undefined) return this.#handleSecure(secure.protocol, secure.peerCertificate);
    // The peer has acknowledged our last flight: with TLS 1.3 the commitment.
    if (this.#isAdmitted && this.#protocol !== undefined) {
      return { kind: 'succeeded', material: materialOf(this.#engine, this.#protocol) };
    }
    const data = this.#fragments.take();
    if (data.length > acknowledgement.length) return { kind: 'ask', data };
    return { kind: 'failed', reason: 'the peer does not go on with TLS' };
  }

  #handleSecure(protocol: Protocol, certificate: PeerCertificate | undefined): EapServerStep {
    if (certificate === undefined) return { kind: 'failed', reason: 'the peer showed no certificate' };
    this.#protocol = protocol;
    const identity = this.#identity;
    return { kind: 'claim', identity, claim: { method: 'eap-tls', identity, certificate } };
  }
}

export class EapTlsClient implements EapClientMethod {
  readonly type = EapType.tls;
  readonly #engine: TlsEngine;
  readonly #fragments: EapTlsFragments;
  #isStarted = false;
  #protocol: Protocol | undefined;
  outcome: { readonly material: AuthMaterial } | undefined;

  constructor(options: { readonly tls: TlsContext }) {
    this.#engine = options.tls.createEngine();
    this.#fragments = new EapTlsFragments(this.#engine);
  }
  get missing(): string | undefined {
    if (this.#protocol !== 'TLSv1.3' || this.outcome !== undefined) return undefined;
    return 'the server does not say under its TLS 1.3 keys that it is done (RFC 9190, section 2.5); with TLS 1.2 it need not';
  }
  handleRequest(data: Uint8Array): EapClientStep | undefined {
    const isStart = ((data[0] ?? 0) & START) !== 0;
    if (isStart === this.#isStarted) return undefined;
    if (isStart) {
      this.#isStarted = true;
      this.#engine.start();
      return { kind: 'answer', data: this.#fragments.take() };
    }
    const received = this.#fragments.handle(data);
    if (received === 'malformed') return { kind: 'failed', reason: 'the server breaks EAP-TLS' };
    if (received === 'fragment') return { kind: 'answer', data: acknowledgement };
    if (received === 'next') return { kind: 'answer', data: this.#fragments.take() };
    return this.#handleFlight();
  }
  dispose(): void {
    this.#engine.close();
  }

  #handleFlight(): EapClientStep {
    const { secure, data, failed } = eventsOf(this.#engine);
    if (failed !== undefined) return { kind: 'answer', data: this.#fragments.take(), failed };
    this.#protocol ??= secure?.protocol;
    const isDone = this.#protocol === 'TLSv1.2' || (data?.length === COMMITMENT.length && data[0] === COMMITMENT[0]);
    if (this.#protocol !== undefined && isDone) this.outcome ??= { material: materialOf(this.#engine, this.#protocol) };
    return { kind: 'answer', data: this.#fragments.take() };
  }
}
