import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import fc from 'fast-check';
import { admission, authenticate, PASSWORD, wrong } from '../../test/auth-ends.ts';
import { encodeControlPacket } from '../packet.ts';
import { ChapClient } from './chap-client.ts';
import { decodeFailure, encodeFailure } from './chap-packet.ts';
import { ChapServer } from './chap-server.ts';
import type { AuthEvent, AuthMachine, AuthVerdict } from './machine.ts';
import { generateNtResponse, materialOf, ntPasswordHash } from './mschapv2.ts';

const algorithms = ['md5', 'mschapv2'] as const;
type Algorithm = (typeof algorithms)[number];
const now = 0 as Instant;
const retriable: AuthVerdict = { ...wrong, retry: true };

const newClient = (algorithm: Algorithm, more: { username?: string; password?: string } = {}) =>
  new ChapClient({ algorithm, username: 'alice', password: PASSWORD, random: seededRandom(1), ...more });
const newServer = (algorithm: Algorithm) => new ChapServer({ algorithm, name: 'gateway', random: seededRandom(2) });

function eventsOf(machine: AuthMachine): AuthEvent[] {
  const events: AuthEvent[] = [];
  for (let e = machine.pollEvent(); e !== undefined; e = machine.pollEvent()) events.push(e);
  return events;
}
function sentBy(machine: AuthMachine): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let p = machine.pollTransmit(); p !== undefined; p = machine.pollTransmit()) packets.push(p);
  return packets;
}
/** alice is let in. */
function admit(
  server: ChapServer,
  algorithm: Algorithm,
): { readonly response: Uint8Array; readonly success: Uint8Array } {
  server.start(now);
  const client = newClient(algorithm);
  client.handlePacket(sentBy(server)[0] as Uint8Array, now);
  const [response] = sentBy(client) as [Uint8Array];
  server.handlePacket(response, now);
  const [claim] = eventsOf(server);
  assert.ok(claim?.kind === 'claim');
  server.handleVerdict(claim.id, admission(claim.claim), now);
  const [success] = sentBy(server);
  assert.equal(eventsOf(server)[0]?.kind, 'succeeded');
  assert.ok(success?.[0] === 3);
  return { response, success };
}
const text = (packet: Uint8Array | undefined) => Buffer.from(packet?.subarray(4) ?? []).toString('latin1');

/** A challenge as a server sends it, written by hand. */
function challenge(id: number, value: Uint8Array): Uint8Array {
  return encodeControlPacket(1, id, Buffer.concat([Uint8Array.of(value.length), value, Buffer.from('gateway')]));
}

for (const algorithm of algorithms) {
  test(`${algorithm}: both ends succeed as alice, and compute the same of it`, () => {
    const { client, server, ends } = authenticate(newClient(algorithm), newServer(algorithm));
    assert.deepEqual([client.length, server.length], [1, 1]);
    assert.deepEqual(client[0], server[0]);
    assert.equal(client[0]?.kind === 'succeeded' && client[0].identity, 'alice');
    const hasKey = client[0]?.kind === 'succeeded' && client[0].material?.mppeMasterKey !== undefined;
    assert.equal(hasKey, algorithm === 'mschapv2');
    assert.deepEqual(
      ends.map(({ sent }) => sent.map((packet) => packet[0])),
      [[2], [1, ...Array(10).fill(3)]],
      'nobody begins the network phase here',
    );
  });

  test(`${algorithm}: a wrong password, and a wrong name, are refused at both ends`, () => {
    for (const more of [{ password: 'guess' }, { username: 'mallory' }]) {
      const { client, server } = authenticate(newClient(algorithm, more), newServer(algorithm));
      assert.deepEqual([client.map(({ kind }) => kind), server.map(({ kind }) => kind)], [['failed'], ['failed']]);
      assert.match(client[0]?.kind === 'failed' ? client[0].reason : '', /wrong name or password/);
    }
  });

  for (const seed of [1, 2, 3, 5, 8]) {
    test(`${algorithm}: over a bad wire both ends come to the same end, after one claim (seed ${seed})`, () => {
      const wire = { seed, drop: 0.3, duplicate: 0.2, jitter: 50 };
      const { client, server, ends } = authenticate(newClient(algorithm), newServer(algorithm), admission, wire);
      assert.deepEqual(
        [client.map(({ kind }) => kind), server.map(({ kind }) => kind)],
        [['succeeded'], ['succeeded']],
      );
      assert.equal(ends[1].claims.length, 1);
    });
  }

  test(`${algorithm}: silence ends both`, () => {
    const { client, server, ends } = authenticate(newClient(algorithm), newServer(algorithm), admission, { drop: 1 });
    assert.deepEqual(client, [{ kind: 'failed', reason: 'the server sent no challenge', unanswered: true }]);
    assert.deepEqual(server, [{ kind: 'failed', reason: 'the peer did not answer our challenge', unanswered: true }]);
    assert.equal(ends[1].sent.length, 10);
  });

  test(`${algorithm}: the same response again gets the same answer, and no second claim`, () => {
    const [client, server] = [newClient(algorithm), newServer(algorithm)];
    server.start(now);
    client.handlePacket(sentBy(server)[0] as Uint8Array, now);
    const response = sentBy(client)[0] as Uint8Array;
    server.handlePacket(response, now);
    server.handlePacket(response, now);
    const [claim, ...more] = eventsOf(server);
    assert.ok(claim?.kind === 'claim' && more.length === 0);
    server.handleVerdict(claim.id, admission(claim.claim), now);
    const [success] = sentBy(server);
    assert.equal(success?.[0], 3);
    for (let n = 0; n < 3; n++) {
      server.handlePacket(response, now);
      assert.deepEqual(sentBy(server), [success]);
    }
    const changed = response.slice();
    changed[20] = (changed[20] ?? 0) ^ 1;
    server.handlePacket(changed, now);
    assert.deepEqual(sentBy(server), [], 'another response is none that was judged');
    assert.deepEqual(
      eventsOf(server).map(({ kind }) => kind),
      ['succeeded'],
    );
  });

  test(`${algorithm}: a Success is repeated until the peer begins the network phase, and a repeated response brings it even then`, () => {
    const server = newServer(algorithm);
    const { response, success } = admit(server, algorithm);
    for (let n = 1; n < 4; n++) {
      server.handleTimeout(server.pollTimeout() as Instant);
      assert.deepEqual(sentBy(server), [success]);
    }
    server.handlePacket(response, now);
    assert.deepEqual(sentBy(server), [success], 'at once');
    server.handleNetworkBegun();
    assert.equal(server.pollTimeout(), undefined);
    server.handlePacket(response, now);
    assert.deepEqual(sentBy(server), [success]);
    assert.equal(server.pollTimeout(), undefined);
  });

  test(`${algorithm}: a Success is repeated ten times in all, and the server stays content`, () => {
    const server = newServer(algorithm);
    admit(server, algorithm);
    let sendings = 1;
    for (let at = server.pollTimeout(); at !== undefined; at = server.pollTimeout()) {
      server.handleTimeout(at);
      sendings += sentBy(server).length;
    }
    assert.equal(sendings, 10);
    assert.deepEqual(eventsOf(server), []);
  });

  test(`${algorithm}: nothing is repeated once it is over`, () => {
    const server = newServer(algorithm);
    admit(server, algorithm);
    server.dispose();
    assert.equal(server.pollTimeout(), undefined);
    const client = newClient(algorithm);
    client.start(now);
    client.handlePacket(challenge(5, Buffer.alloc(16, 1)), now);
    client.dispose();
    assert.equal(client.pollTimeout(), undefined);
  });

  test(`${algorithm}: a client repeats its response until it is judged`, () => {
    const client = newClient(algorithm);
    client.start(now);
    client.handlePacket(challenge(5, Buffer.alloc(16, 1)), now);
    const [response] = sentBy(client);
    for (let n = 1; n < 10; n++) {
      client.handleTimeout(client.pollTimeout() as Instant);
      assert.deepEqual(sentBy(client), [response]);
    }
    client.handleTimeout(client.pollTimeout() as Instant);
    assert.deepEqual(eventsOf(client), [
      { kind: 'failed', reason: 'the server did not judge our answer', unanswered: true },
    ]);
  });

  test(`${algorithm}: a challenge that goes out again is another one, and the response to the one before is late`, () => {
    const server = newServer(algorithm);
    server.start(now);
    const [first] = sentBy(server) as [Uint8Array];
    server.handleTimeout(server.pollTimeout() as Instant);
    const [second] = sentBy(server) as [Uint8Array];
    assert.notEqual(first[1], second[1]);
    assert.notDeepEqual(first.subarray(5, 21), second.subarray(5, 21));
    const client = newClient(algorithm);
    client.handlePacket(first, now);
    client.handlePacket(second, now);
    const [late, right] = sentBy(client) as [Uint8Array, Uint8Array];
    server.handlePacket(late, now);
    assert.deepEqual(eventsOf(server), []);
    server.handlePacket(right, now);
    const [claim] = eventsOf(server);
    assert.equal(claim?.kind === 'claim' && admission(claim.claim).kind, 'admitted');
  });

  test(`${algorithm}: a client answers the same challenge with the same response, and a new one of a link that is up anew`, () => {
    const client = newClient(algorithm);
    client.start(now);
    for (let n = 0; n < 2; n++) client.handlePacket(challenge(5, Buffer.alloc(16, 1)), now);
    const first = sentBy(client);
    assert.equal(first.length, 2);
    assert.deepEqual(first[0], first[1]);
    client.handlePacket(challenge(6, Buffer.alloc(16, 2)), now);
    const second = sentBy(client);
    assert.deepEqual([second.length, second[0]?.[1]], [1, 6]);
    assert.notDeepEqual(second[0]?.subarray(4), first[0]?.subarray(4));
  });

  test(`${algorithm}: answers to what was not asked change nothing`, () => {
    const client = newClient(algorithm);
    client.start(now);
    client.handlePacket(encodeControlPacket(3, 0, Buffer.from(`S=${'0'.repeat(40)}`)), now);
    client.handlePacket(encodeControlPacket(4, 0, Buffer.from('E=691 R=0')), now);
    client.handlePacket(challenge(5, Buffer.alloc(16, 1)), now);
    client.handlePacket(encodeControlPacket(3, 6, Buffer.from(`S=${'0'.repeat(40)}`)), now);
    client.handlePacket(encodeControlPacket(4, 4, Buffer.from('E=691 R=0')), now);
    assert.deepEqual(eventsOf(client), []);

    const server = newServer(algorithm);
    server.start(now);
    const id = sentBy(server)[0]?.[1] ?? 0;
    const value = Buffer.alloc(algorithm === 'md5' ? 16 : 49, 1);
    const odd = [
      encodeControlPacket(
        2,
        (id + 1) & 0xff,
        Buffer.concat([Uint8Array.of(value.length), value, Buffer.from('alice')]),
      ),
      encodeControlPacket(
        2,
        id,
        Buffer.concat([Uint8Array.of(value.length - 1), value.subarray(1), Buffer.from('alice')]),
      ),
      encodeControlPacket(2, id, Buffer.concat([Uint8Array.of(value.length), value, Buffer.from('al\nice')])),
      encodeControlPacket(2, id, Buffer.concat([Uint8Array.of(value.length), value, Buffer.alloc(257, 97)])),
      encodeControlPacket(2, id, Buffer.concat([Uint8Array.of(value.length), value, Buffer.of(0xff)])),
      encodeControlPacket(2, id, Uint8Array.of(value.length)),
      encodeControlPacket(2, id, Uint8Array.of(0)),
      encodeControlPacket(2, id, new Uint8Array(0)),
    ];
    for (const packet of odd) server.handlePacket(packet, now);
    assert.deepEqual(eventsOf(server), []);
    assert.deepEqual(sentBy(server), []);
  });

  test(`${algorithm}: hostile packets neither throw nor let anybody in, in any state`, () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 70 }),
      fc
        .tuple(fc.constantFrom(0, 1, 16, 49, 50, 255), fc.uint8Array({ minLength: 40, maxLength: 70 }))
        .map(([size, rest]) => Uint8Array.of(size, ...rest)),
      fc
        .constantFrom('S=', `S=${'0'.repeat(40)}`, 'E=691 R=1 C=00 V=3 M=', 'E=', '')
        .map((words) => Buffer.from(words)),
    );
    const packet = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(fc.integer({ min: 0, max: 8 }), fc.nat({ max: 255 }), body)
        .map(([code, id, bytes]) => encodeControlPacket(code, id, bytes)),
      fc
        .tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(5, 0xb5), body)
        .map(([code, id, bytes]) => encodeControlPacket(code, id, bytes)),
    );
    const step = fc.oneof(
      { weight: 6, arbitrary: packet },
      { weight: 1, arbitrary: fc.constantFrom('refuse', 'time', 'ask') },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        for (const machine of [newClient(algorithm), newServer(algorithm)]) {
          machine.start(now);
          let claim = 0;
          for (const one of steps) {
            if (typeof one !== 'string') machine.handlePacket(one, now);
            else if (one === 'ask') machine.handlePacket(challenge(5, Buffer.alloc(16, 1)), now);
            else if (one === 'time') machine.handleTimeout((machine.pollTimeout() ?? now) as Instant);
            else if (machine instanceof ChapServer) machine.handleVerdict(claim, retriable, now);
            for (const event of eventsOf(machine)) {
              if (event.kind === 'claim') claim = event.id;
              assert.notEqual(event.kind === 'succeeded' && algorithm === 'mschapv2', true);
            }
            assert.ok(sentBy(machine).length <= 8);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
}

test('mschapv2: a name keeps its domain, and is hashed without it', () => {
  const result = authenticate(newClient('mschapv2', { username: 'OFFICE\\alice' }), newServer('mschapv2'));
  assert.equal(result.client[0]?.kind, 'succeeded');
  const [claim] = result.ends[1].claims;
  assert.equal(claim?.method === 'mschapv2' && claim.username, 'OFFICE\\alice');
});

test('mschapv2: a response is laid out as RFC 2759, section 4, draws it', () => {
  const client = newClient('mschapv2');
  client.start(now);
  const asked = Buffer.alloc(16, 7);
  client.handlePacket(challenge(9, asked), now);
  const packet = Buffer.from(sentBy(client)[0] as Uint8Array);
  const peerChallenge = packet.subarray(5, 21);
  const exchange = { username: 'alice', authenticatorChallenge: asked, peerChallenge };
  const ntResponse = generateNtResponse(exchange, ntPasswordHash(PASSWORD));
  const expected = [
    ...[2, 9, 0, 4 + 1 + 49 + 5, 49],
    ...peerChallenge,
    ...new Uint8Array(8),
    ...ntResponse,
    ...[0, ...Buffer.from('alice')],
  ];
  assert.deepEqual([...packet], expected);
});

test('mschapv2: a server that cannot prove that it knows the password is left, whatever it says', () => {
  const asked = Buffer.alloc(16, 7);
  const tryWith = (message: (proof: string) => string) => {
    const client = newClient('mschapv2');
    client.start(now);
    client.handlePacket(challenge(0, asked), now);
    const peerChallenge = (sentBy(client)[0] as Uint8Array).slice(5, 21);
    const exchange = { username: 'alice', authenticatorChallenge: asked, peerChallenge };
    const hash = ntPasswordHash(PASSWORD);
    const proof = materialOf(exchange, hash, generateNtResponse(exchange, hash)).authenticatorResponse;
    client.handlePacket(encodeControlPacket(3, 0, Buffer.from(message(proof))), now);
    return eventsOf(client).map(({ kind }) => kind);
  };
  assert.deepEqual(
    tryWith((proof) => proof),
    ['succeeded'],
    'as RRAS sends it',
  );
  assert.deepEqual(
    tryWith((proof) => `${proof} M=hello`),
    ['succeeded'],
  );
  const other = (digit: string | undefined) => (digit === '0' ? '1' : '0');
  assert.deepEqual(
    tryWith((proof) => proof.slice(0, 41) + other(proof[41])),
    ['failed'],
  );
  assert.deepEqual(
    tryWith((proof) => `S=${other(proof[2])}${proof.slice(3)}`),
    ['failed'],
  );
  assert.deepEqual(
    tryWith((proof) => proof.slice(0, 41)),
    ['failed'],
  );
  assert.deepEqual(
    tryWith(() => ''),
    ['failed'],
  );
  assert.deepEqual(
    tryWith(() => 'welcome'),
    ['failed'],
  );
});

test('mschapv2: a Success tells the proof and a message, a Failure all that Windows asks for', () => {
  const good = authenticate(newClient('mschapv2'), newServer('mschapv2'));
  assert.match(text(good.ends[1].sent[1]), /^S=[0-9A-F]{40} M=Access granted$/);
  const disabled: AuthVerdict = { kind: 'refused', code: 647, message: 'disabled', retry: false };
  const bad = authenticate(newClient('mschapv2'), newServer('mschapv2'), () => disabled);
  assert.match(text(bad.ends[1].sent[1]), /^E=647 R=0 C=[0-9A-F]{32} V=3 M=disabled$/);
  const { kind: _, ...detail } = disabled;
  const reason = 'the server refused us: this account is disabled ("disabled")';
  assert.deepEqual(bad.client, [{ kind: 'failed', reason, detail }]);
});

test('mschapv2: a peer that may retry answers the challenge of the Failure with the next identifier; three tries in all', () => {
  const server = newServer('mschapv2');
  server.start(now);
  const [asked] = sentBy(server) as [Uint8Array];
  let id = asked[1] ?? 0;
  let value = Buffer.from(asked.subarray(5, 21));
  for (const attempt of [1, 2, 3]) {
    const client = newClient('mschapv2', attempt === 3 ? {} : { password: 'guess' });
    client.start(now);
    client.handlePacket(challenge(id, value), now);
    server.handlePacket(sentBy(client)[0] as Uint8Array, now);
    const [claim] = eventsOf(server);
    assert.ok(claim?.kind === 'claim');
    const verdict = admission(claim.claim);
    server.handleVerdict(claim.id, verdict.kind === 'refused' ? retriable : verdict, now);
    const [answer] = sentBy(server);
    assert.deepEqual([answer?.[0], answer?.[1]], [attempt === 3 ? 3 : 4, id]);
    const next = /^E=691 R=1 C=([0-9A-F]{32}) V=3 /.exec(text(answer))?.[1] ?? '';
    if (attempt < 3) assert.notEqual(next.toLowerCase(), value.toString('hex'));
    value = Buffer.from(next, 'hex');
    id = (id + 1) & 0xff;
  }
  assert.deepEqual(
    eventsOf(server).map(({ kind }) => kind),
    ['succeeded'],
  );
});

test('mschapv2: the third refusal is the last, and so is one who does not try again', () => {
  const server = newServer('mschapv2');
  server.start(now);
  for (const attempt of [1, 2, 3]) {
    const bytes = Buffer.concat([Uint8Array.of(49), Buffer.alloc(49, attempt), Buffer.from('alice')]);
    for (let id = 0; id < 256; id++) server.handlePacket(encodeControlPacket(2, id, bytes), now);
    const [claim, ...more] = eventsOf(server);
    assert.ok(claim?.kind === 'claim' && more.length === 0);
    server.handleVerdict(claim.id, retriable, now);
    assert.match(text(sentBy(server).at(-1)), attempt === 3 ? /R=0/ : /R=1/);
  }
  assert.deepEqual(
    eventsOf(server).map(({ kind }) => kind),
    ['failed'],
  );

  const idle = authenticate(newClient('mschapv2', { password: 'guess' }), newServer('mschapv2'), () => retriable);
  assert.deepEqual(idle.server, [{ kind: 'failed', reason: 'the peer did not try again' }]);
});

test('mschapv2: an admission without proof is our own fault, and said so', () => {
  const { server } = authenticate(newClient('mschapv2'), newServer('mschapv2'), () => ({
    kind: 'admitted',
    material: undefined,
  }));
  assert.match(server[0]?.kind === 'failed' ? server[0].reason : '', /without the proof/);
});

test('failures of other servers are understood: pptpd, Windows, and odd ones', () => {
  const read = (message: string) => {
    const { code, retry, message: said } = decodeFailure(Buffer.from(message));
    return [code, retry, said];
  };
  assert.deepEqual(read('E=691 R=1 C=0123456789ABCDEF0123456789ABCDEF V=0 M=Access denied'), [
    691,
    true,
    'Access denied',
  ]);
  assert.deepEqual(read('E=648 R=0 C=0123456789ABCDEF0123456789ABCDEF V=3'), [648, false, '']);
  assert.deepEqual(read('E=709 R=0'), [709, false, '']);
  assert.deepEqual(read('E=12345 R=0 M=a\u0007b'), [691, false, 'a b']);
  assert.deepEqual(read(''), [691, false, '']);
  assert.deepEqual(read('no'), [691, false, '']);
  const bytes = encodeFailure({ code: 649, message: 'no dial-in', retry: true }, new Uint8Array(16));
  assert.deepEqual(read(Buffer.from(bytes).toString()), [649, true, 'no dial-in']);
});
