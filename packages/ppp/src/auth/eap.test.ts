import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { createFakeTlsContext, seededRandom } from '@culvert/testkit';
import { createTlsContext } from '@culvert/tls';
import fc from 'fast-check';
import { admission, authenticate, PASSWORD, wrong } from '../../test/auth-ends.ts';
import { makeOffice } from '../../test/office.ts';
import { encodeControlPacket } from '../packet.ts';
import { startKeysOf } from '../start-keys.ts';
import { encodeEap } from './eap-packet.ts';
import type { AuthClaim, AuthEvent, AuthMachine, AuthVerdict } from './machine.ts';
import { clientAuth, type EapMethod, serverAuth } from './offers.ts';

const now = 0 as Instant;
const [office, foreign] = await Promise.all([makeOffice(), makeOffice()]);
const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const server13 = createTlsContext(office.server);
const client13 = createTlsContext(office.client);
type Tls = Parameters<typeof clientAuth>[0]['tls'];

function newClient(eap: readonly EapMethod[], { password = PASSWORD, tls = client13 as Tls } = {}): AuthMachine {
  const random = seededRandom(1);
  const [offer] = clientAuth({ random, username: 'alice', password, methods: ['eap'], eap, tls });
  assert.ok(offer !== undefined);
  return offer.create();
}
function newServer(eap: readonly EapMethod[], tls: Tls = server13): AuthMachine {
  const [offer] = serverAuth({ random: seededRandom(2), name: 'gateway', methods: ['eap'], eap, tls });
  assert.ok(offer !== undefined);
  return offer.create();
}
const kinds = (events: readonly AuthEvent[]) => events.map(({ kind }) => kind);
const reasonOf = ([event]: readonly AuthEvent[]) => (event?.kind === 'failed' ? event.reason : '');
const materialOf = ([event]: readonly AuthEvent[]) => (event?.kind === 'succeeded' ? event.material : undefined);
function sentBy(machine: AuthMachine): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let p = machine.pollTransmit(); p !== undefined; p = machine.pollTransmit()) packets.push(p);
  return packets;
}
function eventsOf(machine: AuthMachine): AuthEvent[] {
  const events: AuthEvent[] = [];
  for (let e = machine.pollEvent(); e !== undefined; e = machine.pollEvent()) events.push(e);
  return events;
}

for (const method of ['md5', 'mschapv2', 'tls'] as const) {
  test(`${method}: both ends succeed as alice, with the same key where there is one`, () => {
    const { client, server, ends } = authenticate(newClient([method]), newServer([method]));
    assert.deepEqual([kinds(client), kinds(server)], [['succeeded'], ['succeeded']]);
    assert.equal(client[0]?.kind === 'succeeded' && client[0].identity, 'alice');
    assert.deepEqual(materialOf(client), materialOf(server));
    const keys = startKeysOf(materialOf(client), 'client');
    assert.equal(keys !== undefined, method !== 'md5');
    assert.deepEqual(startKeysOf(materialOf(server), 'server'), keys && { send: keys.receive, receive: keys.send });
    if (keys !== undefined) assert.notDeepEqual(keys.send, keys.receive);
    assert.equal(ends[1].claims.length, 1);
    for (const end of ends) end.machine.dispose();
  });

  for (const seed of [1, 2, 3, 5, 8]) {
    test(`${method}: over a bad wire both ends come to the same end, after one claim (seed ${seed})`, () => {
      const wire = { seed, drop: 0.2, duplicate: 0.2, jitter: 50 };
      const { client, server, ends } = authenticate(newClient([method]), newServer([method]), admission, wire);
      assert.deepEqual([kinds(client), kinds(server)], [['succeeded'], ['succeeded']]);
      assert.equal(ends[1].claims.length, 1);
      assert.deepEqual(materialOf(client), materialOf(server));
    });
  }

  test(`${method}: who is refused hears of it, and nobody gets in`, () => {
    const { client, server } = authenticate(newClient([method]), newServer([method]), () => wrong);
    assert.deepEqual([kinds(client), kinds(server)], [['failed'], ['failed']]);
    assert.equal(reasonOf(server), 'alice was refused');
  });
}

test('a wrong password is refused, and the client hears which it was', () => {
  for (const method of ['md5', 'mschapv2'] as const) {
    const { client, server } = authenticate(newClient([method], { password: 'guess' }), newServer([method]));
    assert.deepEqual([kinds(client), kinds(server)], [['failed'], ['failed']]);
    if (method === 'mschapv2') assert.match(reasonOf(client), /wrong name or password/);
  }
});

test('a peer that refuses a method gets the best that it names, and none that is not allowed', () => {
  const asked = (events: ReturnType<typeof authenticate>) =>
    events.ends[1].claims.map((claim: AuthClaim) => claim.method);
  assert.deepEqual(asked(authenticate(newClient(['md5', 'mschapv2']), newServer(['tls', 'mschapv2', 'md5']))), [
    'mschapv2',
  ]);
  assert.deepEqual(asked(authenticate(newClient(['md5']), newServer(['tls', 'mschapv2', 'md5']))), ['chap-md5']);
  const none = authenticate(newClient(['md5']), newServer(['tls', 'mschapv2']));
  assert.deepEqual(asked(none), []);
  assert.equal(reasonOf(none.server), 'the peer knows no method of EAP that is allowed here');
  assert.equal(reasonOf(none.client), 'the server asks for EAP-TLS, which is not allowed here (allowed: EAP with MD5)');
});

for (const version of versions) {
  test(`tls: ${version} in fragments, with the certificate for admission`, () => {
    const [server, client] = [office.server, office.client].map((options) =>
      createTlsContext({ ...options, minVersion: version, maxVersion: version }),
    );
    const result = authenticate(newClient(['tls'], { tls: client }), newServer(['tls'], server));
    assert.deepEqual([kinds(result.client), kinds(result.server)], [['succeeded'], ['succeeded']]);
    assert.deepEqual(materialOf(result.client), materialOf(result.server));
    const [claim] = result.ends[1].claims;
    assert.equal(claim?.method === 'eap-tls' && claim.certificate.commonName, 'alice');
    for (const end of result.ends) for (const packet of end.sent) assert.ok(packet.length <= 1_040);
  });

  test(`tls: ${version}: a stranger's certificate is refused during the handshake, and the client hears why`, () => {
    const range = { minVersion: version, maxVersion: version } as const;
    const client = createTlsContext({ ...foreign.client, ca: office.ca, ...range });
    const server = createTlsContext({ ...office.server, ...range });
    const result = authenticate(newClient(['tls'], { tls: client }), newServer(['tls'], server));
    assert.deepEqual([kinds(result.client), kinds(result.server)], [['failed'], ['failed']]);
    assert.equal(result.ends[1].claims.length, 0);
    assert.match(reasonOf(result.client), /peer|server|us|certificate/);
    assert.match(reasonOf(result.server), /certificate/);
  });

  test(`tls: ${version}: a client leaves a server whose certificate is not its own CA's`, () => {
    const range = { minVersion: version, maxVersion: version } as const;
    const client = createTlsContext({ ...office.client, ca: foreign.ca, ...range });
    const server = createTlsContext({ ...office.server, ...range });
    const result = authenticate(newClient(['tls'], { tls: client }), newServer(['tls'], server));
    assert.deepEqual([kinds(result.client), kinds(result.server)], [['failed'], ['failed']]);
  });
}

test('tls: with TLS 1.3 a Success before the commitment is not believed', () => {
  const { client, server } = beforeTheCommitment();
  const verdict: AuthVerdict = { kind: 'admitted', material: undefined };
  for (let id = 0; id < 256; id++) client.handlePacket(encodeControlPacket(3, id, new Uint8Array(0)), now);
  assert.deepEqual(eventsOf(client), []);
  server.handleVerdict?.(1, verdict, now);
  for (const packet of sentBy(server)) client.handlePacket(packet, now);
  for (const packet of sentBy(client)) server.handlePacket(packet, now);
  for (const packet of sentBy(server)) client.handlePacket(packet, now);
  assert.deepEqual([kinds(eventsOf(client)), kinds(eventsOf(server))], [['succeeded'], ['succeeded']]);
});

/** A client and a server that wait for admission, with TLS 1.3 behind them. */
function beforeTheCommitment(): { client: AuthMachine; server: AuthMachine } {
  const [client, server] = [newClient(['tls']), newServer(['tls'])];
  client.start(now);
  server.start(now);
  for (let turn = 0; turn < 60; turn++) {
    for (const packet of sentBy(server)) client.handlePacket(packet, now);
    for (const packet of sentBy(client)) server.handlePacket(packet, now);
    if (kinds(eventsOf(server)).includes('claim')) return { client, server };
  }
  throw new Error('no claim');
}

test('tls: a server that goes on without the commitment of TLS 1.3 (pppd) is left, and that is why', () => {
  const refused = beforeTheCommitment().client;
  refused.handlePacket(encodeControlPacket(4, 7, new Uint8Array(0)), now);
  assert.equal(reasonOf(eventsOf(refused)), 'the server refused us');
  const { client } = beforeTheCommitment();
  assert.equal(client.refusal, undefined);
  client.handlePacket(encodeControlPacket(3, 7, new Uint8Array(0)), now);
  assert.deepEqual(eventsOf(client), []);
  assert.match(client.refusal ?? '', /RFC 9190, section 2\.5/);
  client.handleNetworkBegun?.();
  assert.match(reasonOf(eventsOf(client)), /^the server does not say under its TLS 1\.3 keys that it is done/);
});

test('tls: a client that does not understand the commitment of TLS 1.3 (pppd) is told apart from one that breaks TLS', () => {
  const { server } = beforeTheCommitment();
  server.handleVerdict?.(1, { kind: 'admitted', material: undefined }, now);
  const id = sentBy(server).at(-1)?.[1] ?? 0;
  server.handlePacket(encodeEap(2, id, 13, Uint8Array.of(0, 0x15, 3, 3, 0, 2, 2, 20)), now);
  // Our alert is acknowledged.
  server.handlePacket(encodeEap(2, sentBy(server).at(-1)?.[1] ?? 0, 13, Uint8Array.of(0)), now);
  assert.match(reasonOf(eventsOf(server)), /^the peer does not understand how EAP-TLS ends with TLS 1\.3/);
});

test('a Success is repeated until the peer begins the network phase, ten times at most, and not once it is over', () => {
  for (const end of ['network', 'bound', 'disposed'] as const) {
    const [client, server] = [newClient(['md5']), newServer(['md5'])];
    for (const machine of [client, server]) machine.start(now);
    let sent: Uint8Array[] = [];
    for (let events = eventsOf(server); events.length === 0; events = eventsOf(server)) {
      sent = sentBy(server);
      for (const packet of sent) client.handlePacket(packet, now);
      for (const packet of sentBy(client)) server.handlePacket(packet, now);
    }
    server.handleVerdict?.(1, { kind: 'admitted', material: undefined }, now);
    assert.deepEqual(kinds(eventsOf(server)), ['succeeded']);
    const [success] = sentBy(server);
    assert.equal(success?.[0], 3);
    let many = 1;
    for (let at = server.pollTimeout(); at !== undefined; at = server.pollTimeout()) {
      server.handleTimeout(at);
      assert.deepEqual(sentBy(server), [success]);
      many++;
      if (end === 'network') server.handleNetworkBegun?.();
      if (end === 'disposed') server.dispose();
      if (many === 10) server.handleTimeout(server.pollTimeout() as Instant);
    }
    assert.equal(many, end === 'bound' ? 10 : 2);
    assert.deepEqual(eventsOf(server), []);
  }
});

test('a Success that nothing stands behind lets nobody in', () => {
  for (const method of ['md5', 'mschapv2', 'tls'] as const) {
    const client = newClient([method]);
    client.start(now);
    client.handlePacket(encodeEap(1, 1, 1, new Uint8Array(0)), now);
    client.handlePacket(encodeControlPacket(3, 1, new Uint8Array(0)), now);
    client.handlePacket(encodeControlPacket(3, 2, new Uint8Array(0)), now);
    assert.deepEqual(eventsOf(client), []);
  }
});

test('a notification is answered and changes nothing; a method that we lack is refused with those that we have', () => {
  const client = newClient(['mschapv2', 'md5']);
  client.start(now);
  client.handlePacket(encodeEap(1, 7, 2, Buffer.from('maintenance at noon')), now);
  assert.deepEqual(sentBy(client), [encodeEap(2, 7, 2, new Uint8Array(0))]);
  client.handlePacket(encodeEap(1, 8, 25, Uint8Array.of(0x20)), now);
  assert.deepEqual(sentBy(client), [encodeEap(2, 8, 3, Uint8Array.of(26, 4))]);
  client.handlePacket(encodeEap(1, 8, 25, Uint8Array.of(0x20)), now);
  assert.deepEqual(sentBy(client), [encodeEap(2, 8, 3, Uint8Array.of(26, 4))], 'said again, answered again');
});

test('a server that breaks EAP-TLS ends it: a length beyond the bound costs no memory', () => {
  const tls = createFakeTlsContext({ role: 'client', random: seededRandom(3), name: 'alice' });
  const client = newClient(['tls'], { tls });
  client.start(now);
  client.handlePacket(encodeEap(1, 1, 13, Uint8Array.of(0x20)), now);
  for (let id = 2; id < 250; id++)
    client.handlePacket(encodeEap(1, id, 13, new Uint8Array(1_000).fill(0x40, 0, 1)), now);
  assert.deepEqual(kinds(eventsOf(client)), ['failed']);
});

test('EAP with TLS needs a context, and without one means MS-CHAPv2', () => {
  const base = { random: seededRandom(1), methods: ['eap'] } as const;
  assert.throws(() => serverAuth({ ...base, name: 'gateway', eap: ['tls'] }), TypeError);
  assert.throws(() => clientAuth({ ...base, username: 'alice', password: PASSWORD, eap: ['tls'] }), TypeError);
  const client = clientAuth({ ...base, username: 'alice', password: PASSWORD })[0]?.create() as AuthMachine;
  const server = serverAuth({ ...base, name: 'gateway' })[0]?.create() as AuthMachine;
  const result = authenticate(client, server);
  assert.deepEqual(
    result.ends[1].claims.map((claim: AuthClaim) => claim.method),
    ['mschapv2'],
  );
});

test('hostile packets neither throw nor let anybody in, in any state', () => {
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 70 }),
    fc
      .tuple(fc.constantFrom(1, 2, 3, 4), fc.nat({ max: 255 }), fc.uint8Array({ maxLength: 60 }))
      .map(([code, id, body]) => encodeControlPacket(code, id, body)),
    fc
      .tuple(fc.constantFrom(0, 0x20, 0x40, 0x80, 0xc0, 0xff), fc.uint8Array({ maxLength: 60 }))
      .map(([flags, body]) => Uint8Array.of(flags, ...body)),
    fc
      .tuple(fc.constantFrom(16, 49), fc.uint8Array({ minLength: 49, maxLength: 60 }))
      .map(([size, body]) => Uint8Array.of(size, ...body)),
  );
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .tuple(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 3 }),
        fc.constantFrom(1, 2, 3, 4, 13, 26, 254),
        data,
      )
      .map(
        ([code, step, type, bytes]) =>
          (id: number) =>
            encodeEap(code, (id + step - 1) & 0xff, type, bytes),
      ),
    fc.constantFrom(3, 4).map((code) => (id: number) => encodeControlPacket(code, id, new Uint8Array(0))),
  );
  const step = fc.oneof({ weight: 8, arbitrary: packet }, { weight: 1, arbitrary: fc.constantFrom('refuse', 'time') });
  const method = fc.constantFrom<EapMethod[]>('md5', 'mschapv2', 'tls');
  fc.assert(
    fc.property(method, fc.array(step, { maxLength: 25 }), (eap, steps) => {
      const tls = { random: seededRandom(4), name: 'x' };
      const client = newClient([eap], { tls: createFakeTlsContext({ role: 'client', ...tls }) });
      const server = newServer([eap], createFakeTlsContext({ role: 'server', ...tls }));
      for (const machine of [client, server]) {
        machine.start(now);
        let [id, claim] = [0, 0];
        for (const one of steps) {
          if (one === 'time') machine.handleTimeout((machine.pollTimeout() ?? now) as Instant);
          else if (one === 'refuse') machine.handleVerdict?.(claim, wrong, now);
          else machine.handlePacket(typeof one === 'function' ? one(id) : (one as Uint8Array), now);
          for (const event of eventsOf(machine)) {
            if (event.kind === 'claim') claim = event.id;
            assert.ok(event.kind !== 'succeeded' || (eap === 'md5' && machine === client), 'MD5 proves no server');
          }
          const sent = sentBy(machine);
          assert.ok(sent.length <= 8);
          id = sent.at(-1)?.[1] ?? id;
        }
        machine.dispose();
      }
    }),
    { numRuns: 500 },
  );
});
