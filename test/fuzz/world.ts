/** What every session needs: certificates by an independent CA, TLS for both ends, keys. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pem, seededRandom, TestCa } from '@culvert/testkit';
import { type CertificateTlsContext, createTlsContext, type TlsContext, type TlsEngine } from '@culvert/tls';
import { wrapClientKey } from './peer/codec.ts';
import type { SharedKeys } from './peer/peer.ts';

export class World {
  readonly keys: SharedKeys;
  /** The scripted peer's. */
  readonly peerTls: Readonly<Record<'server' | 'client', TlsContext>>;
  /** Those of the end under test; they count their engines. */
  readonly tls: Readonly<Record<'server' | 'client', CountedTls>>;
  readonly #contexts: readonly CertificateTlsContext[];

  private constructor(contexts: readonly CertificateTlsContext[], keys: SharedKeys) {
    const [server, client] = contexts as [CertificateTlsContext, CertificateTlsContext];
    this.#contexts = contexts;
    this.peerTls = { server, client };
    this.tls = { server: new CountedTls(server), client: new CountedTls(client) };
    this.keys = keys;
  }

  static async create(): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), 'culvert-fuzz-'));
    try {
      const ca = await TestCa.create(folder);
      const contexts = [];
      for (const role of ['server', 'client'] as const) {
        const { certificate, key } = await ca.issue(role, { role });
        const own = { certificate: pem(certificate), privateKey: pem(key) };
        contexts.push(createTlsContext({ role, ca: pem(ca.certificate), ...own }));
      }
      const random = seededRandom(7);
      const [shared, server, client] = [random.bytes(256), random.bytes(128), random.bytes(256)];
      const wrapped = wrapClientKey(server, Buffer.concat([client, Buffer.of(0)]));
      return new World(contexts, { shared, server, client, wrapped });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  close(): void {
    for (const context of this.#contexts) context.close();
  }
}

/** Engines that were made and not closed again are a leak. */
export class CountedTls implements TlsContext {
  open = 0;
  readonly #context: TlsContext;

  constructor(context: TlsContext) {
    this.#context = context;
  }

  createEngine(): TlsEngine {
    const engine = this.#context.createEngine();
    const close = engine.close.bind(engine);
    let closed = false;
    this.open++;
    engine.close = () => {
      if (!closed) this.open--;
      closed = true;
      close();
    };
    return engine;
  }
}
