/** A server that asks again, of a link that is up (RFC 3748, section 2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import { createTlsContext } from '@culvert/tls';
import { authenticate, PASSWORD, wrong } from '../../test/auth-ends.ts';
import { makeOffice } from '../../test/office.ts';
import { encodeEap } from './eap-packet.ts';
import type { AuthMachine } from './machine.ts';
import { clientAuth, type EapMethod, serverAuth } from './offers.ts';

const office = await makeOffice();
const tls = { client: createTlsContext(office.client), server: createTlsContext(office.server) };

function newServer(eap: EapMethod, seed: number): AuthMachine {
  const random = seededRandom(seed);
  const [offer] = serverAuth({ random, name: 'gateway', methods: ['eap'], eap: [eap], tls: tls.server });
  assert.ok(offer !== undefined);
  return offer.create();
}

/** A client that a server has let in. */
function letIn(eap: EapMethod): AuthMachine {
  const random = seededRandom(1);
  const given = { random, username: 'alice', password: PASSWORD, tls: tls.client } as const;
  const [offer] = clientAuth({ ...given, methods: ['eap'], eap: [eap] });
  assert.ok(offer !== undefined);
  const client = offer.create();
  const first = authenticate(client, newServer(eap, 2));
  assert.deepEqual(
    [first.client, first.server].map((events) => events.map(({ kind }) => kind)),
    [['succeeded'], ['succeeded']],
  );
  return client;
}

for (const eap of ['md5', 'mschapv2', 'tls'] as const) {
  test(`${eap}: it is answered as the first time, as often as it asks, and the link stays as it is`, () => {
    const client = letIn(eap);
    for (const seed of [3, 4]) {
      const again = authenticate(client, newServer(eap, seed));
      assert.deepEqual(
        again.server.map(({ kind }) => kind),
        ['succeeded'],
      );
      assert.deepEqual(again.client, [], 'it is in already');
      assert.equal(client.pollTimeout(), undefined);
    }
    client.dispose();
  });

  test(`${eap}: who is refused the second time hears of it`, () => {
    const client = letIn(eap);
    const again = authenticate(client, newServer(eap, 3), () => wrong);
    assert.deepEqual(
      again.client.map(({ kind }) => kind),
      ['failed'],
    );
    client.dispose();
  });
}

test('a server that asks and says no more is forgotten, and asks again with success', () => {
  const client = letIn('mschapv2');
  client.handlePacket(encodeEap(1, 200, 1, new Uint8Array(0)), 0 as Instant);
  assert.deepEqual(client.pollTransmit(), encodeEap(2, 200, 1, new TextEncoder().encode('alice')));
  const deadline = client.pollTimeout();
  assert.ok(deadline !== undefined);
  client.handleTimeout(deadline);
  assert.deepEqual([client.pollTimeout(), client.pollEvent()], [undefined, undefined]);
  assert.equal(authenticate(client, newServer('mschapv2', 3)).server[0]?.kind, 'succeeded');
});

test('a request without that of the identity before it means nothing', () => {
  const client = letIn('md5');
  client.handlePacket(encodeEap(1, 200, 4, Uint8Array.of(16, ...new Uint8Array(16))), 0 as Instant);
  assert.equal(client.pollTransmit(), undefined);
});
