import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contains, parseAddress, parseNetwork } from '@culvert/wire';
import fc from 'fast-check';
import { type Lease, LeasePool, type LeasePoolOptions } from './lease-pool.ts';
import { MemoryLeaseStore } from './lease-store.ts';

function pool(options: Partial<LeasePoolOptions> = {}): LeasePool {
  return new LeasePool({ ipv4: { network: '10.8.0.0/29' }, store: new MemoryLeaseStore(), ...options });
}

function leased(pool: LeasePool, user: string): Lease {
  const lease = pool.lease(user);
  assert.ok(lease.kind === 'leased', 'reason' in lease ? lease.reason : '');
  return lease;
}

const addressOf = (pool: LeasePool, user: string) => leased(pool, user).ipv4?.address;

test('a lease has an address of each version, its network’s prefix and the gateway', () => {
  const both = pool({ ipv6: { network: 'fd00:8::/64', gateway: 'fd00:8::9' } });
  const lease = leased(both, 'alice');
  assert.deepEqual(lease.ipv4, { address: '10.8.0.2', prefix: 29, gateway: '10.8.0.1' });
  assert.deepEqual(lease.ipv6, { address: 'fd00:8::1', prefix: 64, gateway: 'fd00:8::9' });
  assert.equal(both.held, 1);
});

test('a user gets the same address again, also from a new pool over the same store', () => {
  const store = new MemoryLeaseStore();
  const first = pool({ store });
  leased(first, 'alice').release();
  const bobs = leased(first, 'bob');
  assert.equal(bobs.ipv4?.address, '10.8.0.3', 'not the one that alice had');
  bobs.release();
  const second = pool({ store });
  assert.equal(addressOf(second, 'bob'), '10.8.0.3');
  assert.equal(addressOf(second, 'carol'), '10.8.0.4', 'alice’s is remembered');
  assert.equal(addressOf(second, 'alice'), '10.8.0.2');
});

test('several sessions of one user have different addresses', () => {
  const p = pool();
  assert.deepEqual(
    [addressOf(p, 'alice'), addressOf(p, 'alice'), addressOf(p, 'alice')],
    ['10.8.0.2', '10.8.0.3', '10.8.0.4'],
  );
});

test('when all were used, the one that was free longest is given away first', () => {
  const p = pool();
  const leases = ['a', 'b', 'c', 'd', 'e'].map((user) => leased(p, user));
  for (const i of [3, 1, 0, 2, 4]) leases[i]?.release();
  assert.deepEqual([addressOf(p, 'x'), addressOf(p, 'y')], [leases[3]?.ipv4?.address, leases[1]?.ipv4?.address]);
});

test('an exhausted pool refuses with its network named, and serves again after a release', () => {
  const p = pool({ ipv4: { network: '10.8.0.0/30' }, ipv6: { network: 'fd00::/64' } });
  const only = leased(p, 'alice');
  const refusal = p.lease('bob');
  assert.deepEqual(refusal, { kind: 'exhausted', reason: 'no address is free in 10.8.0.0/30: 1 are in use' });
  only.release();
  only.release();
  assert.equal(leased(p, 'bob').ipv4?.address, '10.8.0.2');
  assert.equal(p.held, 1, 'the refused lease and the second release left nothing behind');
});

test('a refusal of one version gives the other’s address back', () => {
  const p = pool({ ipv4: { network: '10.8.0.0/24' }, ipv6: { network: 'fd00::/126' } });
  const leases = ['a', 'b'].map((user) => leased(p, user));
  assert.equal(p.lease('c').kind, 'exhausted');
  assert.equal(p.held, 2);
  leases[0]?.release();
  assert.equal(leased(p, 'c').kind, 'leased');
});

test('a static address is its user’s alone', () => {
  const p = pool();
  p.setStatic(new Map([['10.8.0.4', 'alice']]));
  assert.deepEqual([addressOf(p, 'b'), addressOf(p, 'c'), addressOf(p, 'd')], ['10.8.0.2', '10.8.0.3', '10.8.0.5']);
  const first = leased(p, 'alice');
  assert.equal(first.ipv4?.address, '10.8.0.4');
  assert.equal(addressOf(p, 'alice'), '10.8.0.6', 'a second session has another');
  first.release();
  assert.equal(p.lease('e').kind, 'exhausted', 'released, it still is kept');
  assert.equal(addressOf(p, 'alice'), '10.8.0.4');
});

test('a static address that another has still is refused and not doubled', () => {
  const p = pool();
  const bobs = leased(p, 'bob');
  p.setStatic(new Map([['10.8.0.2', 'alice']]));
  assert.deepEqual(p.lease('alice'), { kind: 'taken', reason: '10.8.0.2 is kept for alice, and bob has it still' });
  bobs.release();
  assert.equal(addressOf(p, 'bob'), '10.8.0.3', 'what it had before is kept for alice now');
  assert.equal(addressOf(p, 'alice'), '10.8.0.2');
});

test('an address that is kept no longer is anybody’s', () => {
  const p = pool({ ipv4: { network: '10.8.0.0/30' } });
  p.setStatic(new Map([['10.8.0.2', 'alice']]));
  assert.equal(p.lease('bob').kind, 'exhausted');
  p.setStatic(new Map());
  assert.equal(addressOf(p, 'bob'), '10.8.0.2');
});

test('pools and static addresses that cannot be are refused with the reason', () => {
  const make = (network: string, gateway?: string) => () => pool({ ipv4: { network, gateway } });
  assert.throws(make('10.8.0.0/31'), /10\.8\.0\.0\/31 has no room/);
  assert.throws(make('10.8.0.0/24', '10.9.0.1'), /10\.9\.0\.1 lies outside/);
  assert.throws(make('10.8.0.1/24'), { code: 'CULVERT_WIRE_ADDRESS' });
  assert.throws(() => pool().setStatic(new Map([['10.9.0.1', 'alice']])), /10\.9\.0\.1, kept for alice/);
  for (const taken of ['10.8.0.0', '10.8.0.1', '10.8.0.7']) {
    assert.throws(() => pool().setStatic(new Map([[taken, 'alice']])), { code: 'CULVERT_CORE_POOL' });
  }
});

const users = fc.constantFrom('a', 'b', 'c', 'd');
const step = fc.oneof(
  fc.record({ lease: users }),
  fc.record({ release: fc.nat(20) }),
  fc.record({ keep: fc.nat(15), user: users }),
);

test('no address is out twice, none is reserved, and none is refused while one is free', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const reserved = parseNetwork('10.8.0.8/31');
      const p = pool({ ipv4: { network: '10.8.0.0/28', gateway: '10.8.0.5', reserved: ['10.8.0.8/31'] } });
      const usable = new Set(
        Array.from({ length: 14 }, (_, i) => `10.8.0.${i + 1}`).filter(
          (a) => !['10.8.0.5', '10.8.0.8', '10.8.0.9'].includes(a),
        ),
      );
      const out: { user: string; lease: Lease }[] = [];
      let kept = new Map<string, string>();
      for (const s of steps) {
        if ('lease' in s) {
          const got = p.lease(s.lease);
          const held = new Set(out.map(({ lease }) => lease.ipv4?.address));
          if (got.kind === 'leased') {
            const address = got.ipv4?.address ?? '';
            assert.ok(usable.has(address) && !held.has(address), address);
            assert.ok(!contains(reserved, parseAddress(address)));
            assert.ok((kept.get(address) ?? s.lease) === s.lease, 'kept for another');
            out.push({ user: s.lease, lease: got });
          } else if (got.kind === 'exhausted') {
            for (const address of usable)
              assert.ok(held.has(address) || (kept.get(address) ?? s.lease) !== s.lease, `${address} was free`);
          }
        } else if ('release' in s) {
          out.splice(s.release % Math.max(1, out.length), 1)[0]?.lease.release();
        } else {
          const address = `10.8.0.${s.keep}`;
          kept = usable.has(address) ? new Map([[address, s.user]]) : new Map();
          p.setStatic(kept);
        }
        assert.equal(p.held, out.length);
      }
    }),
  );
});
