import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchTarget } from '../target.ts';
import type { Variant } from './bodies.ts';
import { pilot } from './pilot.ts';
import { ike } from './search.ts';
import { states, World } from './world.ts';

const COUNT = 40_000;
const plain: Omit<Variant, 'role'> = {
  authentication: 'pre-shared-key',
  group: 'ecp256',
  pfs: false,
  nat: false,
  tunnel: false,
};

test(`${COUNT} mutated datagrams break no endpoint, and every decoder is reached in every state`, async () => {
  const { sent, problems, unreached } = await searchTarget(ike, { count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(sent >= COUNT);
  assert.deepEqual(unreached, []);
});

test('there is a way to every state, by every kind of authentication, with and without NAT, PFS and tunnels', () => {
  for (const role of ['responder', 'initiator'] as const) {
    for (let n = 0; n < 16; n++) {
      const authentication = n & 1 ? 'ecdsa-256' : 'pre-shared-key';
      const variant = {
        role,
        group: 'ecp256',
        authentication,
        pfs: !!(n & 2),
        nat: !!(n & 4),
        tunnel: !!(n & 8),
      } as const;
      for (const state of states[role]) {
        const world = new World(variant, n);
        pilot(world, variant, state);
        world.end();
      }
    }
  }
});

test('an answer to a quick mode that the peer refused before makes no child', () => {
  const variant = { ...plain, role: 'initiator' } as const;
  const world = new World(variant, 1);
  pilot(world, variant, 'quick');
  world.hit(world.peer.finish(world.peer.notify(14, true)));
  world.hit(world.peer.finish(world.peer.quickSecond()));
  assert.equal(world.subject.sizes.children, 0);
  world.end();
});
