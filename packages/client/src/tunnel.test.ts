import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloseReason, Instant, Logger, PacketBatch } from '@culvert/base';
import type { Link, LinkConfig } from '@culvert/core';
import { TransportError } from '@culvert/transport';
import { Backoff } from './backoff.ts';
import { dialError } from './dial-error.ts';
import { ClientError } from './errors.ts';
import type { Candidate } from './profile.ts';
import type { TunnelConfig } from './pushed-config.ts';
import { Tunnel, type TunnelOptions } from './tunnel.ts';

const quiet: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

const pushed: LinkConfig = {
  ipv4: { address: '10.8.0.2', prefix: 24, gateway: '10.8.0.1' },
  ipv6: undefined,
  mtu: 1400,
  routes: [],
  redirect: { ipv4: true, ipv6: false },
  dns: { servers: [], search: [] },
  networksBehind: [],
  keepalive: { interval: 10_000, timeout: 60_000 },
  idleTimeout: undefined,
  sessionTimeout: undefined,
};

const config: TunnelConfig = {
  addresses: ['10.8.0.2/24'],
  mtu: 1400,
  routes: [],
  bypass: [],
  redirect: { 4: 'tunnel', 6: 'no' },
  dns: { servers: [], search: [] },
};

class FakeLink implements Link {
  readonly id = 1;
  readonly transport = 'fake';
  readonly principal = { user: 'server', groups: [], certificate: undefined, proofs: [] };
  config = pushed;
  readonly path = { socket: 0, local: { address: '192.0.2.2', port: 1 }, remote: { address: '192.0.2.9', port: 2 } };
  readonly since = 0 as Instant;
  readonly stats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
  readonly facts = { cipher: 'AES-256-GCM' };
  readonly closed: Promise<CloseReason>;
  readonly #resolve: (reason: CloseReason) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolve = resolve;
  }

  send(_batch: PacketBatch): void {}
  onPackets(): void {}
  update(changed: LinkConfig): void {
    this.config = changed;
  }
  async close(why: CloseReason): Promise<void> {
    this.#resolve(why);
  }
}

type Answer = FakeLink | ClientError;

/** A tunnel whose servers answer from a list, and the story of what it did. */
class Bench {
  readonly story: string[] = [];
  readonly stop = new AbortController();
  readonly tunnel: Tunnel;
  readonly waits: number[] = [];
  #up = Promise.withResolvers<void>();

  constructor(
    answers: readonly Answer[],
    options: Partial<TunnelOptions> & { readonly servers?: readonly string[] } = {},
  ) {
    const left = [...answers];
    const candidates: Candidate[] = (options.servers ?? ['192.0.2.9']).map((address) => ({
      host: address,
      address,
      port: 1194,
      protocol: 'udp',
    }));
    this.tunnel = new Tunnel({
      candidates: { round: async () => candidates },
      dial: async ({ address }) => {
        this.story.push(`dial ${address}`);
        const answer = left.shift() ?? new ClientError('CULVERT_CLIENT_NO_LINK', 'the list is over');
        if (answer instanceof ClientError) throw answer;
        return answer;
      },
      network: {
        pin: async (server) => void this.story.push(`pin ${server}`),
        configure: async (_, server) => void this.story.push(`configure by ${server}`),
        repin: async () => {},
      },
      carrier: {
        attach: () => void this.story.push('attach'),
        detach: () => void this.story.push('detach'),
        refresh: () => void this.story.push('refresh'),
      },
      readConfig: () => ({ config, notes: [] }),
      backoff: new Backoff({ random: () => 0 }),
      log: quiet,
      delay: async (millis) => {
        this.waits.push(millis);
        if (this.waits.length > 50) this.stop.abort();
      },
      timeouts: { several: 1, only: 1 },
      onUp: () => {
        this.#up.resolve();
        this.#up = Promise.withResolvers<void>();
      },
      ...options,
    });
  }

  get up(): Promise<void> {
    return this.#up.promise;
  }

  run(): Promise<CloseReason> {
    return this.tunnel.run(this.stop.signal);
  }
}

test('what is probably in the way is told while the dial goes on', async () => {
  const told = Promise.withResolvers<string>();
  const log = { ...quiet, warn: (_: string, fields?: object) => told.resolve(JSON.stringify(fields)) };
  const link = Promise.withResolvers<Link>();
  const bench = new Bench([], {
    log,
    dial: (_, { onEvent }) => {
      onEvent({ kind: 'trouble', id: 1, reason: 'the key probably differs' });
      return link.promise;
    },
  });
  const ended = bench.run();
  assert.match(await told.promise, /the key probably differs/);
  assert.equal(bench.tunnel.status.trouble, 'the key probably differs');
  link.resolve(new FakeLink());
  await bench.up;
  assert.equal(bench.tunnel.status.trouble, undefined);
  bench.stop.abort();
  await ended;
});

const silent = new ClientError('CULVERT_CLIENT_NO_LINK', 'no answer');

test('every server is tried in order, each pinned before it is dialled', async () => {
  const link = new FakeLink();
  const bench = new Bench([silent, link], { servers: ['192.0.2.1', '192.0.2.2'] });
  const up = bench.up;
  const ended = bench.run();
  await up;
  assert.equal(bench.tunnel.status.state, 'up');
  assert.equal(bench.tunnel.status.server?.address, '192.0.2.2');
  bench.stop.abort();
  assert.equal((await ended).cause, 'operator');
  assert.equal(bench.tunnel.status.state, 'ended');
  assert.deepEqual(bench.story, [
    'pin 192.0.2.1',
    'dial 192.0.2.1',
    'detach',
    'pin 192.0.2.2',
    'dial 192.0.2.2',
    'attach',
    'configure by 192.0.2.2',
    'detach',
    'detach',
  ]);
});

test('a server that says no is not asked again', async () => {
  const refused = new ClientError('CULVERT_CLIENT_REFUSED', 'wrong password');
  const bench = new Bench([refused, new FakeLink()], { servers: ['192.0.2.1', '192.0.2.2'] });
  await assert.rejects(bench.run(), { code: 'CULVERT_CLIENT_REFUSED', exitCode: 5 });
  assert.equal(bench.story.filter((line) => line.startsWith('dial')).length, 1);
});

test('a server that fell silent, or said goodbye, before it let us in is asked again, by the first try and later ones', async () => {
  const unheard = (['lost', 'peer'] as const).map((cause) => {
    const reason = { cause, detail: 'the server did not judge our answer' };
    return dialError(new TransportError('CULVERT_TRANSPORT_UNREACHABLE', reason.detail, { reason }));
  });
  const [first, second] = [new FakeLink(), new FakeLink()];
  const bench = new Bench([...unheard, first, ...unheard, second]);
  let up = bench.up;
  const ended = bench.run();
  await up;
  up = bench.up;
  await first.close({ cause: 'lost', detail: 'silence' });
  await up;
  assert.equal(bench.tunnel.status.links, 2);
  bench.stop.abort();
  await ended;
});

test('a server that is not the one named ends the first try, when no other server is right', async () => {
  const untrusted = new ClientError('CULVERT_CLIENT_UNTRUSTED', 'signed by a CA that is not ours');
  const bench = new Bench([untrusted, silent], { servers: ['192.0.2.1', '192.0.2.2'] });
  await assert.rejects(bench.run(), { code: 'CULVERT_CLIENT_UNTRUSTED' });
  assert.equal(bench.story.filter((line) => line.startsWith('dial')).length, 2);

  const other = new Bench([untrusted, new FakeLink()], { servers: ['192.0.2.1', '192.0.2.2'] });
  const up = other.up;
  const ended = other.run();
  await up;
  other.stop.abort();
  await ended;
});

test('after a lost wire it connects again, and once it worked an impostor does not end it', async () => {
  const [first, second] = [new FakeLink(), new FakeLink()];
  const untrusted = new ClientError('CULVERT_CLIENT_UNTRUSTED', 'captive portal');
  const bench = new Bench([first, untrusted, silent, second]);
  let up = bench.up;
  const ended = bench.run();
  await up;
  up = bench.up;
  await first.close({ cause: 'lost', detail: 'silence' });
  await up;
  assert.equal(bench.tunnel.status.links, 2);
  assert.equal(bench.tunnel.status.trouble, undefined);
  bench.stop.abort();
  await ended;
  assert.deepEqual(bench.waits, [500, 1_000, 2_000], 'a link that held for a moment is no success, so the waits grow');
});

for (const [cause, code] of [
  ['refused', 'CULVERT_CLIENT_REFUSED'],
  ['revoked', 'CULVERT_CLIENT_REFUSED'],
  ['replaced', 'CULVERT_CLIENT_ENDED'],
] as const) {
  test(`a link that ends because it was ${cause} is not made again`, async () => {
    const link = new FakeLink();
    const bench = new Bench([link, new FakeLink()]);
    const up = bench.up;
    const ended = bench.run();
    await up;
    await link.close({ cause, detail: 'the reason' });
    await assert.rejects(ended, { code, message: /the reason/ });
  });
}

test('a link that ends by its idle limit ends the tunnel without an error', async () => {
  const link = new FakeLink();
  const bench = new Bench([link]);
  const up = bench.up;
  const ended = bench.run();
  await up;
  await link.close({ cause: 'idle', detail: 'no traffic' });
  assert.equal((await ended).cause, 'idle');
});

test('a configuration that is refused closes the link and ends the first try', async () => {
  const link = new FakeLink();
  const bench = new Bench([link], {
    readConfig: () => {
      throw new ClientError('CULVERT_CLIENT_PUSHED', 'no address');
    },
  });
  await assert.rejects(bench.run(), { code: 'CULVERT_CLIENT_PUSHED' });
  assert.equal((await link.closed).cause, 'error');
});

test('connect-retry-max rounds without a link end it', async () => {
  const bench = new Bench([], { maxRounds: 3 });
  await assert.rejects(bench.run(), { code: 'CULVERT_CLIENT_NO_LINK', message: /tried 3 times/ });
  assert.equal(bench.story.filter((line) => line.startsWith('dial')).length, 3);
});

test('a server without a way to it is passed over', async () => {
  const bench = new Bench([], {
    maxRounds: 1,
    network: {
      pin: async () => {
        throw new Error('no route');
      },
      configure: async () => {},
      repin: async () => {},
    },
  });
  await assert.rejects(bench.run(), { code: 'CULVERT_CLIENT_NO_LINK', message: /no route/ });
  assert.deepEqual(bench.story.slice(0, -1), []);
});

test('a configuration that the server changes is applied to the link that is up', async () => {
  const link = new FakeLink();
  const changed = Promise.withResolvers<void>();
  const bench = new Bench([link], {
    carrier: { attach() {}, detach() {}, refresh: () => changed.resolve() },
  });
  const up = bench.up;
  const ended = bench.run();
  await up;
  link.update({ ...pushed, mtu: 1300 });
  await changed.promise;
  assert.deepEqual(bench.story.slice(-2), ['configure by 192.0.2.9', 'configure by 192.0.2.9']);
  bench.stop.abort();
  await ended;
});

test('stopped while it waits, it ends', async () => {
  const bench = new Bench([], { delay: async () => bench.stop.abort() });
  assert.equal((await bench.run()).cause, 'operator');
});

test('stopped while a name is looked up, it does not wait for the answer', async () => {
  const bench = new Bench([], { candidates: { round: () => new Promise(() => {}) } });
  const ended = bench.run();
  bench.stop.abort();
  assert.equal((await ended).cause, 'operator');
});
