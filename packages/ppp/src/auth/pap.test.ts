import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import fc from 'fast-check';
import { admission, authenticate, PASSWORD, wrong } from '../../test/auth-ends.ts';
import { encodeControlPacket } from '../packet.ts';
import { PapClient, PapServer } from './pap.ts';

const now = 0 as Instant;
const alice = { username: 'alice', password: PASSWORD };

/** Written by hand from RFC 1334, section 2.2.1. */
function request(id: number, name: string, password: string): Uint8Array {
  return encodeControlPacket(
    1,
    id,
    Buffer.from([name.length, ...Buffer.from(name), password.length, ...Buffer.from(password)]),
  );
}

test('a client with the right password gets in, one with a wrong one hears why not', () => {
  const good = authenticate(new PapClient(alice), new PapServer());
  assert.deepEqual(good.client, [{ kind: 'succeeded', identity: 'alice', material: undefined }]);
  assert.deepEqual(good.server, [{ kind: 'succeeded', identity: 'alice', material: undefined }]);
  assert.deepEqual(good.ends[0].sent, [request(1, 'alice', PASSWORD)]);

  const bad = authenticate(new PapClient({ ...alice, password: 'guess' }), new PapServer());
  const reason = 'the server refused name or password: wrong name or password';
  assert.deepEqual(bad.client, [{ kind: 'failed', reason }]);
  assert.deepEqual(bad.server, [{ kind: 'failed', reason: 'alice was refused', detail: wrong }]);
});

for (const seed of [1, 2, 3, 5, 8]) {
  test(`over a bad wire both ends come to the same end (seed ${seed})`, () => {
    const wire = { seed, drop: 0.3, duplicate: 0.2, jitter: 50 };
    const result = authenticate(new PapClient(alice), new PapServer(), admission, wire);
    assert.deepEqual(
      [result.client, result.server].map((events) => events.map(({ kind }) => kind)),
      [['succeeded'], ['succeeded']],
    );
    assert.equal(result.ends[1].claims.length, 1);
  });
}

test('silence ends both, and each is told of it once', () => {
  const result = authenticate(new PapClient(alice), new PapServer(), admission, { drop: 1 });
  assert.deepEqual(result.client, [
    { kind: 'failed', reason: 'the server did not answer to name and password', unanswered: true },
  ]);
  assert.deepEqual(result.server, [{ kind: 'failed', reason: 'the peer sent no password', unanswered: true }]);
  assert.equal(result.ends[0].sent.length, 10);
});

test('where admission allows it a peer may try again, three times in all', () => {
  const server = new PapServer();
  const claims: string[] = [];
  const answers: Uint8Array[] = [];
  server.start(now);
  for (let n = 0; n < 5; n++) {
    server.handlePacket(request(n, 'alice', `guess ${n}`));
    for (let e = server.pollEvent(); e !== undefined; e = server.pollEvent()) {
      if (e.kind === 'claim') {
        claims.push(e.claim.method === 'pap' ? e.claim.password : '');
        server.handleVerdict(e.id, { ...wrong, retry: true }, now);
      }
    }
    for (let p = server.pollTransmit(); p !== undefined; p = server.pollTransmit()) answers.push(p);
  }
  assert.deepEqual(claims, ['guess 0', 'guess 1', 'guess 2']);
  assert.deepEqual(
    answers.map((one) => [one[0], one[1]]),
    [0, 1, 2, 3, 4].map((id) => [3, id]),
  );
});

test('while admission thinks, repeated requests make no second claim, and the answer goes to the last one', () => {
  const server = new PapServer();
  server.start(now);
  for (const id of [7, 8, 9]) server.handlePacket(request(id, 'alice', PASSWORD));
  const claim = server.pollEvent();
  assert.equal(claim?.kind, 'claim');
  assert.equal(server.pollEvent(), undefined);
  server.handleVerdict(2, { kind: 'admitted', material: undefined }, now);
  assert.equal(server.pollTransmit(), undefined, 'a verdict on another claim');
  server.handleVerdict(1, { kind: 'admitted', material: undefined }, now);
  assert.deepEqual(server.pollTransmit(), Uint8Array.of(2, 9, 0, 5, 0));
  assert.equal(server.pollEvent()?.kind, 'succeeded');
});

test('what does not fit one byte of length is refused before it is sent', () => {
  assert.throws(() => new PapClient({ username: 'a'.repeat(256), password: '' }), RangeError);
  assert.throws(() => new PapClient({ username: '', password: 'ä'.repeat(128) }), RangeError);
});

test('hostile packets neither throw nor make a claim of what is no name', () => {
  const shapes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .tuple(fc.constantFrom(1, 2, 3), fc.nat({ max: 2 }), fc.uint8Array({ maxLength: 20 }))
      .map(([code, id, body]) => encodeControlPacket(code, id, body)),
  );
  fc.assert(
    fc.property(fc.array(shapes, { maxLength: 20 }), (packets) => {
      for (const machine of [new PapClient(alice), new PapServer()]) {
        machine.start(now);
        for (const packet of packets) machine.handlePacket(packet);
        let events = 0;
        for (let e = machine.pollEvent(); e !== undefined; e = machine.pollEvent()) {
          events++;
          if (e.kind === 'claim' && e.claim.method === 'pap') assert.ok(!/\p{Cc}/u.test(e.claim.username));
        }
        let sent = 0;
        while (machine.pollTransmit() !== undefined) sent++;
        assert.ok(events <= 1 && sent <= 1, `${events} events, ${sent} packets`);
      }
    }),
  );
});
