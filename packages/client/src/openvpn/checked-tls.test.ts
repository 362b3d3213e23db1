import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerCertificate } from '@culvert/base';
import type { TlsEngine, TlsEvent } from '@culvert/tls';
import { certificateCheck, checkedTls, type TlsFailure } from './checked-tls.ts';

const certificate: PeerCertificate = {
  der: new Uint8Array(),
  subject: 'CN=vpn',
  issuer: 'CN=ca',
  commonName: 'vpn',
  serial: '1',
  fingerprint256: 'ab'.repeat(32),
  notBefore: 0,
  notAfter: 0,
};

const secure: TlsEvent = {
  kind: 'secure',
  protocol: 'TLSv1.3',
  cipher: 'X',
  peerCertificate: certificate,
  resumed: false,
};
const failed: TlsEvent = {
  kind: 'failed',
  alert: { from: 'peer', number: 44, name: 'certificate_revoked' },
  reason: 'the peer refused our certificate',
};

/** An engine that says what it is told to, and writes down what it is asked. */
class ScriptedEngine implements TlsEngine {
  readonly asked: string[] = [];
  readonly #events: TlsEvent[];
  constructor(events: readonly TlsEvent[]) {
    this.#events = [...events];
  }
  start(): void {}
  handleData(): void {
    this.asked.push('handleData');
  }
  write(): void {
    this.asked.push('write');
  }
  end(): void {
    this.asked.push('end');
  }
  pollTransmit(): undefined {}
  pollEvent(): TlsEvent | undefined {
    return this.#events.shift();
  }
  exportKeyingMaterial(): Uint8Array {
    return new Uint8Array();
  }
  close(): void {}
}

function wrap(events: readonly TlsEvent[], peerFingerprints: readonly string[]) {
  const inner = new ScriptedEngine(events);
  const failures: TlsFailure[] = [];
  const context = checkedTls(
    { createEngine: () => inner },
    certificateCheck({ peerFingerprints, serverName: undefined }),
    (failure) => failures.push(failure),
  );
  return { inner, failures, engine: context.createEngine() };
}

test('a certificate that the profile pins passes', () => {
  const { engine, failures } = wrap([secure], [certificate.fingerprint256]);
  assert.equal(engine.pollEvent(), secure);
  assert.deepEqual(failures, []);
});

test('another certificate of the same CA fails the session: nothing of ours is sent over it', () => {
  const data: TlsEvent = { kind: 'data', bytes: new Uint8Array(1) };
  const { engine, inner, failures } = wrap([secure, data], ['00'.repeat(32)]);
  const event = engine.pollEvent();
  assert.equal(event?.kind, 'failed');
  assert.equal(engine.pollEvent(), undefined, 'what came with it is not heard');
  engine.write(new Uint8Array(1));
  engine.handleData(new Uint8Array(1));
  assert.deepEqual(inner.asked, ['end']);
  assert.match(failures[0]?.reason ?? '', /peer-fingerprint/);
});

test('why TLS failed is heard as a value', () => {
  const { engine, failures } = wrap([failed], []);
  assert.equal(engine.pollEvent(), failed);
  assert.deepEqual(failures, [failed]);
});
