/**
 * One TLS session over OpenSSL's memory BIOs.
 *
 * Owns the order of events and the bounds of every queue; OpenSSL owns the protocol, the policy lies in the context.
 */
import type { WallClock } from '@culvert/base';
import { alertName } from './alerts.ts';
import { TlsError } from './errors.ts';
import type { TlsEngine, TlsEvent } from './face.ts';
import { type Native, type NativeContext, type NativeEngine, Step } from './native.ts';
import { type Expectation, explainFailure, explainStaleCrl } from './reasons.ts';

/** RFC 8446, section 5.1. */
const MAX_PLAINTEXT = 16_384;

// Chosen by us.
/** What a stranger may send before it proved who it is: a large chain is 10 KiB. */
const MAX_HANDSHAKE = 64 * 1024;
/** What may be written before the handshake is done. */
const MAX_EARLY = 64 * 1024;
/** Plaintext that nobody polled, and ciphertext that nobody sent. */
const MAX_QUEUE = 1024 * 1024;
/** Bytes handed to OpenSSL at once, so that its input buffer stays small. */
const SLICE = 16 * 1024;

export interface EngineOptions {
  readonly native: Native;
  readonly context: NativeContext;
  readonly expected: Expectation;
  readonly wallClock: WallClock | undefined;
  warn(message: string): void;
}

export class Engine implements TlsEngine {
  readonly #options: EngineOptions;
  readonly #native: Native;
  readonly #handle: NativeEngine;
  /** `over`: the peer ended, or the session failed; nothing more is read. */
  #phase: 'handshake' | 'secure' | 'over' = 'handshake';
  #failed = false;
  #ending = false;
  #closed = false;
  #handshakeBytes = 0;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #events: TlsEvent[] = [];
  #unreadBytes = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#native = options.native;
    this.#handle = options.native.newEngine(options.context);
  }

  start(): void {
    this.#checkOpen();
    if (this.#phase === 'handshake') this.#run();
  }

  handleData(ciphertext: Uint8Array): void {
    this.#checkOpen();
    for (let at = 0; at < ciphertext.length && this.#phase !== 'over'; at += SLICE) {
      this.#handleSlice(ciphertext.subarray(at, at + SLICE));
    }
  }

  write(plaintext: Uint8Array): void {
    this.#checkOpen();
    if (plaintext.length > MAX_PLAINTEXT) throw new RangeError(`a record holds at most ${MAX_PLAINTEXT} bytes`);
    if (this.#ending) throw new TlsError('CULVERT_TLS_STATE', 'write after end');
    if (plaintext.length === 0 || this.#failed) return;
    if (this.#phase === 'handshake') this.#queueEarly(plaintext);
    else this.#writeRecord(plaintext);
  }

  end(): void {
    this.#checkOpen();
    if (this.#ending) return;
    this.#ending = true;
    if (this.#phase !== 'handshake') this.#native.end(this.#handle);
  }

  pollTransmit(limit: number = Number.POSITIVE_INFINITY): Uint8Array | undefined {
    this.#checkOpen();
    return this.#native.take(this.#handle, limit);
  }

  pollEvent(): TlsEvent | undefined {
    this.#checkOpen();
    const event = this.#events.shift();
    if (event?.kind === 'data') this.#unreadBytes -= event.bytes.length;
    return event;
  }

  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    this.#checkOpen();
    if (!Number.isInteger(length) || length < 1 || length > MAX_PLAINTEXT) {
      throw new RangeError(`keying material of ${length} bytes`);
    }
    const bytes = this.#native.exportKeyingMaterial(this.#handle, label, length, context);
    if (bytes === undefined) throw new TlsError('CULVERT_TLS_STATE', 'keying material before the handshake is done');
    return bytes;
  }

  close(): void {
    this.#closed = true;
    this.#phase = 'over';
    this.#early = [];
    this.#events = [];
    this.#native.closeEngine(this.#handle);
  }

  #checkOpen(): void {
    if (this.#closed) throw new TlsError('CULVERT_TLS_STATE', 'the engine was closed');
  }

  #handleSlice(slice: Uint8Array): void {
    if (this.#phase === 'handshake') {
      this.#handshakeBytes += slice.length;
      if (this.#handshakeBytes > MAX_HANDSHAKE) {
        this.#fail(undefined, `the peer sent more than ${MAX_HANDSHAKE} bytes before the handshake was done`);
        return;
      }
    }
    if (!this.#native.feed(this.#handle, slice)) throw new TlsError('CULVERT_TLS_STATE', 'OpenSSL took no input');
    this.#run();
    if (this.#phase !== 'over' && this.#native.pending(this.#handle) > MAX_QUEUE) {
      this.#fail(undefined, `the peer causes answers and takes none: more than ${MAX_QUEUE} bytes wait for it`);
    }
  }

  /** Lets OpenSSL work until it wants more input or is done. */
  #run(): void {
    const now = this.#phase === 'handshake' ? this.#unixSeconds() : 0;
    while (this.#phase !== 'over') {
      const step = this.#native.step(this.#handle, now);
      if (typeof step !== 'number') this.#handlePlaintext(step);
      else if (step === Step.waiting) return;
      else if (step === Step.secure) this.#handleSecure();
      else if (step === Step.ended) this.#finish({ kind: 'ended' });
      else this.#handleFailure();
    }
  }

  #unixSeconds(): number {
    const clock = this.#options.wallClock;
    return clock === undefined ? 0 : Math.floor(clock.unixMillis() / 1000);
  }

  #handlePlaintext(bytes: Uint8Array): void {
    this.#unreadBytes += bytes.length;
    this.#events.push({ kind: 'data', bytes });
    if (this.#unreadBytes > MAX_QUEUE) this.#fail(undefined, `more than ${MAX_QUEUE} bytes from the peer wait unread`);
  }

  #handleSecure(): void {
    const { protocol, cipher, resumed, warnings, certificate } = this.#native.session(this.#handle);
    this.#phase = 'secure';
    for (const warning of warnings) this.#options.warn(explainStaleCrl(warning));
    this.#events.push({ kind: 'secure', protocol, cipher, peerCertificate: certificate, resumed });
    const early = this.#early;
    this.#early = [];
    for (const plaintext of early) this.#writeRecord(plaintext);
    if (this.#ending) this.#native.end(this.#handle);
  }

  #queueEarly(plaintext: Uint8Array): void {
    this.#earlyBytes += plaintext.length;
    if (this.#earlyBytes > MAX_EARLY) {
      this.#earlyBytes -= plaintext.length;
      throw new TlsError('CULVERT_TLS_QUEUE', `${MAX_EARLY} bytes before the handshake is done`);
    }
    this.#early.push(plaintext.slice());
  }

  #writeRecord(plaintext: Uint8Array): void {
    if (this.#native.pending(this.#handle) > MAX_QUEUE) throw new TlsError('CULVERT_TLS_QUEUE', `${MAX_QUEUE} bytes`);
    if (!this.#native.write(this.#handle, plaintext)) this.#handleFailure();
  }

  #handleFailure(): void {
    const failure = this.#native.failure(this.#handle);
    const alert =
      failure.alert === undefined
        ? undefined
        : {
            from: failure.alert.fromPeer ? ('peer' as const) : ('us' as const),
            number: failure.alert.number,
            name: alertName(failure.alert.number),
          };
    this.#fail(alert, explainFailure(failure, this.#options.expected));
  }

  #fail(alert: Extract<TlsEvent, { kind: 'failed' }>['alert'], reason: string): void {
    this.#failed = true;
    this.#early = [];
    this.#finish({ kind: 'failed', alert, reason });
  }

  #finish(last: TlsEvent): void {
    this.#phase = 'over';
    this.#events.push(last);
  }
}
