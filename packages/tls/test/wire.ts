/** Two engines joined in memory, and what tests ask of them. */
import assert from 'node:assert/strict';
import { createTlsContext, type TlsContextOptions, type TlsEngine, type TlsEvent } from '../src/index.ts';
import { type Authority, makeCa, makeCertificate } from './certificates.ts';

export type Secure = Extract<TlsEvent, { kind: 'secure' }>;
export type Failed = Extract<TlsEvent, { kind: 'failed' }>;

/** An office's CA with a gateway and a user. */
export interface Office {
  readonly ca: Authority;
  readonly gateway: Authority;
  readonly alice: Authority;
  readonly server: TlsContextOptions;
  readonly client: TlsContextOptions;
}

export function makeOffice(): Office {
  const ca = makeCa('Office CA');
  const gateway = makeCertificate({ commonName: 'vpn.example.net', usages: ['serverAuth'], issuer: ca });
  const alice = makeCertificate({ commonName: 'alice', organization: 'Office', usages: ['clientAuth'], issuer: ca });
  return {
    ca,
    gateway,
    alice,
    server: { role: 'server', ca: ca.pem, certificate: gateway.pem, privateKey: gateway.keyPem },
    client: { role: 'client', ca: ca.pem, certificate: alice.pem, privateKey: alice.keyPem },
  };
}

export class Wire {
  readonly server: TlsEngine;
  readonly client: TlsEngine;
  readonly events = { server: [] as TlsEvent[], client: [] as TlsEvent[] };

  constructor(server: TlsEngine, client: TlsEngine) {
    this.server = server;
    this.client = client;
  }

  /** Carries bytes both ways, `limit` at a time, until both ends are silent. */
  settle(limit?: number): this {
    this.client.start();
    this.#drainEvents();
    while (this.#carry(this.client, this.server, limit) || this.#carry(this.server, this.client, limit)) {
      this.#drainEvents();
    }
    this.#drainEvents();
    return this;
  }

  secure(end: 'server' | 'client'): Secure {
    const found = this.events[end].find((event) => event.kind === 'secure');
    assert.ok(
      found,
      `the ${end} is secure: ${JSON.stringify(this.events[end].map((e) => ({ ...e, bytes: undefined })))}`,
    );
    return found;
  }

  failed(end: 'server' | 'client'): Failed {
    const last = this.events[end].at(-1);
    assert.equal(last?.kind, 'failed', `the ${end} failed`);
    return last as Failed;
  }

  /** All plaintext that an end got, one array element a record. */
  records(end: 'server' | 'client'): Uint8Array[] {
    return this.events[end].flatMap((event) => (event.kind === 'data' ? [event.bytes] : []));
  }

  close(): void {
    this.server.close();
    this.client.close();
  }

  #carry(from: TlsEngine, to: TlsEngine, limit: number | undefined): boolean {
    const bytes = from.pollTransmit(limit);
    if (bytes !== undefined) to.handleData(bytes);
    return bytes !== undefined;
  }

  #drainEvents(): void {
    for (const end of ['server', 'client'] as const) {
      for (let event: TlsEvent | undefined; (event = this[end].pollEvent()); ) this.events[end].push(event);
    }
  }
}

export function join(server: TlsContextOptions, client: TlsContextOptions): Wire {
  return new Wire(createTlsContext(server).createEngine(), createTlsContext(client).createEngine());
}
