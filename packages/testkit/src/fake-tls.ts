/**
 * A stand-in for the TLS engine in simulations: no protection, but TLS 1.3's shape. Its flights have real sizes, a change of any byte
 * fails the session as a bad record MAC would, and a server refuses a client's certificate after the client believes to be secure.
 *
 *   client                                  server
 *     hello (1.5 KB)                    ->
 *                                      <-     flight with certificate (4 KB)         client is secure here
 *     flight with certificate (1.5 KB)  ->                                           server is secure here, or sends its alert
 *
 *   record    | type 1 | length 2 | checksum 4 | body |
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { PeerCertificate, RandomSource } from '@culvert/base';
import type { TlsContext, TlsEngine, TlsEvent } from '@culvert/tls';

export interface FakeTlsOptions {
  readonly role: 'client' | 'server';
  readonly random: RandomSource;
  /** The common name of our certificate; undefined: we show none. */
  readonly name?: string | undefined;
  /** Refuse the peer's certificate by returning the reason. @default every certificate is right, and none as well */
  readonly verify?: ((peer: PeerCertificate | undefined) => string | undefined) | undefined;
  /** The alert of such a refusal. @default 48, unknown_ca */
  readonly refusalAlert?: number | undefined;
  /** Bytes of the hello, and of the flight with our certificate. @default 1500, and 4000 for a server or 1500 for a client */
  readonly helloBytes?: number | undefined;
  readonly flightBytes?: number | undefined;
}

export function createFakeTlsContext(options: FakeTlsOptions): TlsContext {
  return { createEngine: () => new FakeTlsEngine(options) };
}

/** What the peer sees of a certificate with this common name. */
export function fakeCertificate(commonName: string): PeerCertificate {
  const der = new TextEncoder().encode(commonName);
  const fingerprint256 = createHash('sha256').update(der).digest('hex');
  return {
    der,
    subject: `CN=${commonName}`,
    issuer: 'CN=Fake CA',
    commonName,
    serial: fingerprint256.slice(0, 16).replace(/^0+/, ''),
    fingerprint256,
    notBefore: Date.UTC(2025, 0, 1),
    notAfter: Date.UTC(2035, 0, 1),
  };
}

const Kind = { hello: 1, flight: 2, data: 3, alert: 4, ended: 5 } as const;
const HEADER_BYTES = 7;
const RANDOM_BYTES = 32;
const LARGEST_BODY = 16_640;
const BAD_RECORD_MAC = 20;

export class FakeTlsEngine implements TlsEngine {
  readonly #options: FakeTlsOptions;
  readonly #ownRandom: Uint8Array;
  #peerRandom: Uint8Array | undefined;
  #incoming = new Uint8Array(0);
  #outgoing: Uint8Array[] = [];
  #waiting: Uint8Array[] = [];
  #events: TlsEvent[] = [];
  #state: 'idle' | 'hello' | 'secure' | 'over' = 'idle';
  #closed = false;

  constructor(options: FakeTlsOptions) {
    this.#options = options;
    this.#ownRandom = options.random.bytes(RANDOM_BYTES);
  }

  start(): void {
    this.#check();
    if (this.#options.role !== 'client' || this.#state !== 'idle') return;
    this.#state = 'hello';
    this.#send(Kind.hello, padded([this.#ownRandom], this.#options.helloBytes ?? 1_500));
  }

  handleData(ciphertext: Uint8Array): void {
    this.#check();
    if (this.#state === 'over') return;
    this.#incoming = concat([this.#incoming, ciphertext]);
    for (let record = this.#nextRecord(); record !== undefined; record = this.#nextRecord()) {
      this.#handleRecord(record.kind, record.body);
    }
  }

  write(plaintext: Uint8Array): void {
    this.#check();
    assert.ok(plaintext.length <= 16_384, 'one record holds at most 16384 bytes');
    if (this.#state === 'secure') this.#send(Kind.data, plaintext);
    else if (this.#state !== 'over') this.#waiting.push(plaintext.slice());
  }

  end(): void {
    this.#check();
    if (this.#state === 'secure') this.#send(Kind.ended, new Uint8Array(0));
  }

  pollTransmit(limit = Number.POSITIVE_INFINITY): Uint8Array | undefined {
    this.#check();
    if (this.#outgoing.length === 0 || limit <= 0) return undefined;
    const all = concat(this.#outgoing);
    this.#outgoing = all.length > limit ? [all.subarray(limit)] : [];
    return all.slice(0, limit);
  }

  pollEvent(): TlsEvent | undefined {
    this.#check();
    return this.#events.shift();
  }

  exportKeyingMaterial(label: string, length: number, context = new Uint8Array(0)): Uint8Array {
    this.#check();
    assert.ok(this.#peerRandom !== undefined, 'the exporter works once secure');
    const [client, server] =
      this.#options.role === 'client' ? [this.#ownRandom, this.#peerRandom] : [this.#peerRandom, this.#ownRandom];
    const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
      createHash('sha256')
        .update(client)
        .update(server)
        .update(label)
        .update(context)
        .update(Uint8Array.of(i))
        .digest(),
    );
    return concat(blocks).slice(0, length);
  }

  close(): void {
    this.#closed = true;
  }

  /** True once `close` was called: tests look for engines that were forgotten. */
  get closed(): boolean {
    return this.#closed;
  }

  #check(): void {
    assert.ok(!this.#closed, 'a closed engine is not used');
  }

  #nextRecord(): { readonly kind: number; readonly body: Uint8Array } | undefined {
    if (this.#state === 'over' || this.#incoming.length < HEADER_BYTES) return undefined;
    const view = new DataView(this.#incoming.buffer, this.#incoming.byteOffset);
    const length = view.getUint16(1);
    if (length > LARGEST_BODY) {
      this.#fail(BAD_RECORD_MAC, 'a record is too long');
      return undefined;
    }
    if (this.#incoming.length < HEADER_BYTES + length) return undefined;
    const kind = this.#incoming[0] ?? 0;
    const body = this.#incoming.slice(HEADER_BYTES, HEADER_BYTES + length);
    if (view.getUint32(3) !== checksum(kind, body)) {
      this.#fail(BAD_RECORD_MAC, 'a record was changed on the way');
      return undefined;
    }
    this.#incoming = this.#incoming.slice(HEADER_BYTES + length);
    return { kind, body };
  }

  #handleRecord(kind: number, body: Uint8Array): void {
    const isServer = this.#options.role === 'server';
    if (kind === Kind.alert) {
      const number = body[0] ?? 0;
      const reason = `the peer refused us: ${new TextDecoder().decode(body.subarray(1))}`;
      this.#state = 'over';
      this.#events.push({ kind: 'failed', alert: { from: 'peer', number, name: `alert ${number}` }, reason });
    } else if (kind === Kind.hello && isServer && this.#state === 'idle') {
      this.#peerRandom = body.slice(0, RANDOM_BYTES);
      this.#state = 'hello';
      this.#send(Kind.flight, this.#flight(4_000));
    } else if (kind === Kind.flight && this.#state === 'hello') this.#handleFlight(body);
    else if (kind === Kind.data && this.#state === 'secure') this.#events.push({ kind: 'data', bytes: body });
    else if (kind === Kind.ended && this.#state === 'secure') this.#events.push({ kind: 'ended' });
    else this.#fail(10, 'unexpected message');
  }

  #handleFlight(body: Uint8Array): void {
    if (this.#options.role === 'client') this.#peerRandom = body.slice(0, RANDOM_BYTES);
    const length = body[RANDOM_BYTES] ?? 0;
    const name = new TextDecoder().decode(body.subarray(RANDOM_BYTES + 1, RANDOM_BYTES + 1 + length));
    const peerCertificate = length === 0 ? undefined : fakeCertificate(name);
    const refusal = this.#options.verify?.(peerCertificate);
    if (refusal !== undefined) {
      this.#fail(this.#options.refusalAlert ?? 48, refusal);
      return;
    }
    if (this.#options.role === 'client') this.#send(Kind.flight, this.#flight(1_500));
    this.#state = 'secure';
    this.#events.push({ kind: 'secure', protocol: 'TLSv1.3', cipher: 'TLS_FAKE', peerCertificate, resumed: false });
    for (const plaintext of this.#waiting.splice(0)) this.#send(Kind.data, plaintext);
  }

  #flight(bytes: number): Uint8Array {
    const name = new TextEncoder().encode(this.#options.name ?? '');
    return padded([this.#ownRandom, Uint8Array.of(name.length), name], this.#options.flightBytes ?? bytes);
  }

  #fail(alert: number, reason: string): void {
    this.#send(Kind.alert, concat([Uint8Array.of(alert), new TextEncoder().encode(reason)]));
    this.#state = 'over';
    this.#events.push({ kind: 'failed', alert: { from: 'us', number: alert, name: `alert ${alert}` }, reason });
  }

  #send(kind: number, body: Uint8Array): void {
    const header = new Uint8Array(HEADER_BYTES);
    const view = new DataView(header.buffer);
    header[0] = kind;
    view.setUint16(1, body.length);
    view.setUint32(3, checksum(kind, body));
    this.#outgoing.push(concat([header, body]));
  }
}

function checksum(kind: number, body: Uint8Array): number {
  return createHash('sha256').update(Uint8Array.of(kind)).update(body).digest().readUInt32BE(0);
}

function padded(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const content = concat(parts);
  const out = new Uint8Array(Math.max(bytes, content.length));
  out.set(content);
  return out;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
