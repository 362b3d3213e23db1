import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CulvertError } from '@culvert/base';
import { join } from '../test/join.ts';

test('a session that was closed during its handshake is not brought up by a key exchange message that follows', () => {
  const { link, client, server, count, closed } = join();
  assert.ok(link.until(() => client.facts['tls'] !== undefined && server.session !== undefined, 10_000));
  // A client that withholds its acknowledgements keeps the session at its goodbye.
  const { active } = server.session as unknown as { readonly active: object };
  Object.defineProperty(active, 'idle', { value: false });
  server.session?.close({ cause: 'shutdown', detail: 'the gateway stops' }, link.now);
  link.advance(10_000);
  assert.equal(count(1, 'claim'), 0);
  assert.equal(closed(1)?.cause, 'shutdown');
});

test('a peer that acknowledges nothing ends its session when the engine is full, and nothing is thrown', () => {
  const { link, server, closed } = join().connect();
  const [engine] = server.engines;
  assert.ok(engine !== undefined);
  engine.write = () => {
    throw new CulvertError({ CULVERT_TLS_QUEUE: 'full' }, 'CULVERT_TLS_QUEUE');
  };
  server.session?.close({ cause: 'operator', detail: 'an operator ended the session' }, link.now);
  link.advance(10_000);
  assert.equal(closed(1)?.cause, 'operator');
});
