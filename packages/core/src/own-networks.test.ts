/** Networks of 64 bits for peers that make their addresses themselves, beside addresses for the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contains, parseAddress, parseNetwork } from '@culvert/wire';
import fc from 'fast-check';
import { type Lease, LeasePool } from './lease-pool.ts';
import { MemoryLeaseStore } from './lease-store.ts';

const NETWORK = 'fd00:8::/56';
const pool = (store = new MemoryLeaseStore(), network = NETWORK) => new LeasePool({ ipv6: { network }, store });

function leased(from: LeasePool, user: string, wholeNetwork = true): Lease {
  const lease = from.lease(user, { wholeNetwork });
  assert.ok(lease.kind === 'leased', 'reason' in lease ? lease.reason : '');
  return lease;
}
const networkOf = (from: LeasePool, user: string) => leased(from, user).ipv6?.ownNetwork;

test('each gets a network of its own, and who wants an address gets one in the first network', () => {
  const p = pool();
  const alice = leased(p, 'alice');
  assert.deepEqual(alice.ipv6, {
    address: 'fd00:8:0:1::2',
    prefix: 56,
    gateway: 'fd00:8::1',
    ownNetwork: 'fd00:8:0:1::/64',
  });
  assert.deepEqual(leased(p, 'bob', false).ipv6, { address: 'fd00:8::2', prefix: 56, gateway: 'fd00:8::1' });
  assert.deepEqual([networkOf(p, 'alice'), p.held], ['fd00:8:0:2::/64', 3]);
});

test('a user gets its network again, also from a new pool over the same store, and addresses stay addresses', () => {
  const store = new MemoryLeaseStore();
  const first = pool(store);
  const [alice, bob] = [leased(first, 'alice'), leased(first, 'bob')];
  const address = leased(first, 'alice', false);
  for (const lease of [alice, bob, address]) lease.release();
  const second = pool(store);
  assert.equal(networkOf(second, 'carol'), 'fd00:8:0:3::/64', 'those of others are remembered');
  assert.equal(networkOf(second, 'bob'), 'fd00:8:0:2::/64');
  assert.equal(leased(second, 'alice', false).ipv6?.address, 'fd00:8::2');
  assert.equal(networkOf(second, 'alice'), 'fd00:8:0:1::/64');
});

test('when all were used the one that was free longest goes, and when all are out the network is named', () => {
  const p = pool(undefined, 'fd00:8::/62');
  const leases = ['a', 'b', 'c'].map((user) => leased(p, user));
  assert.deepEqual(p.lease('d', { wholeNetwork: true }), {
    kind: 'exhausted',
    reason: 'no network of 64 bits is free in fd00:8::/62: 3 are in use',
  });
  assert.equal(leased(p, 'd', false).ipv6?.address, 'fd00:8::2', 'addresses are left');
  for (const i of [1, 0, 2]) leases[i]?.release();
  assert.equal(networkOf(p, 'd'), 'fd00:8:0:2::/64');
});

test('with a network of 64 bits or less all share it, as ever', () => {
  for (const network of ['fd00:8::/64', 'fd00:8::/112']) {
    const { ipv6 } = leased(pool(undefined, network), 'alice');
    assert.deepEqual([ipv6?.address, ipv6?.ownNetwork], ['fd00:8::2', undefined]);
  }
});

test('a static address decides: the network around it, or the address alone where all share its network', () => {
  const p = pool();
  p.setStatic(
    new Map([
      ['fd00:8:0:1::99', 'alice'],
      ['fd00:8::99', 'bob'],
    ]),
  );
  const alice = leased(p, 'alice');
  assert.deepEqual([alice.ipv6?.address, alice.ipv6?.ownNetwork], ['fd00:8:0:1::99', 'fd00:8:0:1::/64']);
  const bob = leased(p, 'bob');
  assert.deepEqual([bob.ipv6?.address, bob.ipv6?.ownNetwork], ['fd00:8::99', undefined]);
  assert.equal(networkOf(p, 'carol'), 'fd00:8:0:2::/64');
  // While a peer of alice's has the network, no address in it is given beside.
  assert.equal(leased(p, 'alice', false).ipv6?.address, 'fd00:8::2');
  alice.release();
  assert.equal(leased(p, 'alice', false).ipv6?.address, 'fd00:8:0:1::99');
});

test('a static address is refused while its network is another’s', () => {
  const p = pool();
  const bobs = leased(p, 'bob');
  p.setStatic(new Map([['fd00:8:0:1::99', 'alice']]));
  const taken = p.lease('alice');
  assert.match('reason' in taken ? taken.reason : '', /fd00:8:0:1::99 is kept for alice, and bob has the network/);
  assert.equal(p.lease('alice', { wholeNetwork: true }).kind, 'taken');
  assert.equal(p.held, 1);
  bobs.release();
  assert.equal(leased(p, 'alice', false).ipv6?.address, 'fd00:8:0:1::99');
  assert.equal(networkOf(p, 'bob'), 'fd00:8:0:2::/64', 'what it had before is kept for alice now');
});

test('a network with static addresses of two users is nobody’s, and nobody gets what is kept no longer by mistake', () => {
  const p = pool(undefined, 'fd00:8::/62');
  p.setStatic(
    new Map([
      ['fd00:8:0:1::1', 'alice'],
      ['fd00:8:0:1::2', 'bob'],
    ]),
  );
  const alice = leased(p, 'alice', false);
  assert.equal(alice.ipv6?.address, 'fd00:8:0:1::1');
  assert.deepEqual(
    ['alice', 'bob'].map((user) => networkOf(p, user)),
    ['fd00:8:0:2::/64', 'fd00:8:0:3::/64'],
  );
  p.setStatic(new Map());
  alice.release();
  assert.equal(leased(p, 'alice', false).ipv6?.address, 'fd00:8::2');
});

const step = fc.oneof(
  fc.record({ lease: fc.constantFrom('a', 'b', 'c'), whole: fc.boolean() }),
  fc.record({ release: fc.nat(20) }),
  fc.record({ keep: fc.constantFrom('fd00:8:0:1::5', 'fd00:8:0:2::5', 'fd00:8::5'), user: fc.constantFrom('a', 'b') }),
);

test('whatever is leased, no two users’ addresses and networks overlap', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const p = pool(undefined, 'fd00:8::/61');
      const out: { user: string; lease: Lease }[] = [];
      for (const s of steps) {
        if ('release' in s) out.splice(s.release % Math.max(1, out.length), 1)[0]?.lease.release();
        else if ('keep' in s) p.setStatic(new Map([[s.keep, s.user]]));
        else {
          const lease = p.lease(s.lease, { wholeNetwork: s.whole });
          if (lease.kind === 'leased') out.push({ user: s.lease, lease });
        }
        const all = out.map(({ user, lease }) => ({ user, ...lease.ipv6 }));
        for (const { user, ownNetwork } of all) {
          if (ownNetwork === undefined) continue;
          assert.ok(!contains(parseNetwork(ownNetwork), parseAddress('fd00:8::1')), 'the gateway’s');
          const inside = all.filter(({ address }) => contains(parseNetwork(ownNetwork), parseAddress(address ?? '')));
          assert.deepEqual(new Set(inside.map((each) => each.user)), new Set([user]));
        }
        const places = all.map(({ address, ownNetwork }) => ownNetwork ?? address);
        assert.equal(new Set(places).size, out.length);
        assert.equal(p.held, out.length);
      }
    }),
  );
});
