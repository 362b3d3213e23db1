/** When a client's link is told: not before it has an address. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { CloseReason } from '@culvert/base';
import type { Link, LinkConfig } from '@culvert/core';
import type { PppTerms } from '@culvert/ppp';
import { simulatedPath } from '@culvert/testkit';
import { systemClock } from '../clock.ts';
import { PppClient } from './client.ts';
import { PppLink } from './link.ts';

const path = simulatedPath(0);
const ipv4 = { local: '10.99.0.7', peer: '10.99.0.1', dns: [], nbns: [] };
const local = { local: 'fe80::7', peer: 'fe80::1', global: undefined, dns: [] };
const global = { ...local, global: { address: 'fd00::7', prefix: 64, gateway: 'fe80::1' } };

function termsOf(some: Pick<PppTerms, 'ipv4' | 'ipv6'>): PppTerms {
  return {
    ...some,
    identity: 'alice',
    method: 'mschapv2',
    mtu: 1_400,
    addressCompression: true,
    protocolCompression: true,
    asyncMap: 0,
    mppe: { send: undefined, receive: undefined },
  };
}

class Bench {
  readonly ends: CloseReason[] = [];
  #link: Link | undefined;
  readonly #client: PppClient;
  readonly #test: TestContext;

  constructor(t: TestContext) {
    this.#test = t;
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const stats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
    const principal = { user: 'gateway', groups: [], certificate: undefined, proofs: [] };
    this.#client = new PppClient({
      id: 1,
      path,
      to: { username: 'alice', password: 'secret', handshakeWindow: 30_000 },
      auth: [],
      signal: new AbortController().signal,
      onEvent: () => {},
      createLink: (_, config) =>
        new PppLink({
          id: 1,
          transport: 'pptp',
          principal,
          config,
          path,
          clock: systemClock,
          stats,
          facts: {},
          unfragmented: () => 1_400,
          send: () => {},
          close: () => {},
          onFault: () => {},
        }),
      stop: (why) => {
        this.ends.push(why);
        this.#client.end(why);
      },
    });
    this.#client.link.then(
      (link) => {
        this.#link = link;
      },
      () => {},
    );
  }

  /** What was told: undefined before there is a link. */
  get told(): LinkConfig | undefined {
    return this.#link?.config;
  }

  /** In one turn, the first by this event. */
  async tell(kind: 'up' | 'changed', ...all: readonly Pick<PppTerms, 'ipv4' | 'ipv6'>[]): Promise<void> {
    for (const [i, some] of all.entries())
      this.#client.handle({ kind: i === 0 ? kind : 'changed', terms: termsOf(some) });
    await new Promise(setImmediate);
  }

  async pass(millis: number): Promise<void> {
    this.#test.mock.timers.tick(millis);
    await new Promise(setImmediate);
  }
}

test('with IPv4 a router is waited for a moment, and a late one changes the link', async (t) => {
  const bench = new Bench(t);
  await bench.tell('up', { ipv4, ipv6: local });
  await bench.pass(2_999);
  assert.deepEqual([bench.told], [undefined]);
  await bench.pass(1);
  assert.equal(bench.told?.ipv4?.address, '10.99.0.7');
  await bench.tell('changed', { ipv4, ipv6: global });
  assert.equal(bench.told?.ipv6?.address, 'fd00::7');
  await bench.pass(100_000);
  assert.deepEqual(bench.ends, []);
});

test('without IPv4 nothing is told before there is an address', async (t) => {
  for (const later of [
    { ipv4: undefined, ipv6: global },
    { ipv4, ipv6: local },
  ]) {
    const bench = new Bench(t);
    await bench.tell('up', { ipv4: undefined, ipv6: local });
    await bench.pass(10_000);
    assert.deepEqual([bench.told], [undefined]);
    await bench.tell('changed', later);
    assert.notDeepEqual([bench.told], [undefined]);
    await bench.pass(100_000);
    assert.deepEqual(bench.ends, []);
    t.mock.timers.reset();
  }
});

test('an address that is taken back in the turn in which it came is none, until it is there again', async (t) => {
  const bench = new Bench(t);
  await bench.tell('up', { ipv4, ipv6: undefined }, { ipv4: undefined, ipv6: undefined });
  await bench.pass(10_000);
  assert.deepEqual([bench.told], [undefined]);
  await bench.tell('changed', { ipv4, ipv6: undefined });
  assert.equal(bench.told?.ipv4?.address, '10.99.0.7');
  await bench.pass(100_000);
  assert.deepEqual(bench.ends, []);
});

test('a link that gets no address in all its time was lost, and is no fault of what the server told', async (t) => {
  const bench = new Bench(t);
  await bench.tell('up', { ipv4: undefined, ipv6: local });
  await bench.pass(3_000);
  await bench.pass(30_000);
  assert.deepEqual(bench.ends, [{ cause: 'lost', detail: 'the server told no address in time' }]);
  assert.deepEqual([bench.told], [undefined]);
});
