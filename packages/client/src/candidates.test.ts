import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '@culvert/base';
import { Backoff } from './backoff.ts';
import { CandidateList } from './candidates.ts';
import type { Remote } from './profile.ts';
import { watchSleep } from './wake.ts';

const quiet: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

function remote(host: string, family?: 4 | 6): Remote {
  return { host, port: 1194, protocol: 'udp', family };
}

test('every address of every remote, in order', async () => {
  const asked: string[] = [];
  const list = new CandidateList({
    profile: { remotes: [remote('a.example'), remote('192.0.2.7'), remote('b.example', 6)], remoteRandom: false },
    resolve: async (host, family) => {
      asked.push(`${host} ${family}`);
      return host === 'a.example' ? ['2001:db8::1', '192.0.2.1'] : ['2001:db8::2'];
    },
    log: quiet,
  });
  const addresses = (await list.round()).map(({ address }) => address);
  assert.deepEqual(addresses, ['2001:db8::1', '192.0.2.1', '192.0.2.7', '2001:db8::2']);
  assert.deepEqual(asked, ['a.example undefined', 'b.example 6']);
});

test('a name that cannot be resolved any more keeps the addresses it had', async () => {
  let works = true;
  const list = new CandidateList({
    profile: { remotes: [remote('a.example')], remoteRandom: false },
    resolve: async () => {
      if (works) return ['192.0.2.1'];
      throw new Error('no name server');
    },
    log: quiet,
  });
  assert.equal((await list.round()).length, 1);
  works = false;
  assert.equal((await list.round())[0]?.address, '192.0.2.1');
});

test('remote-random tries all of them in another order', async () => {
  const remotes = Array.from({ length: 30 }, (_, i) => remote(`192.0.2.${i}`));
  const list = new CandidateList({ profile: { remotes, remoteRandom: true }, resolve: async () => [], log: quiet });
  const addresses = (await list.round()).map(({ address }) => address);
  assert.notDeepEqual(
    addresses,
    remotes.map(({ host }) => host),
  );
  assert.equal(new Set(addresses).size, 30);
});

test('waits double up to a minute, with jitter of a half, and begin anew after success', () => {
  const least = new Backoff({ random: () => 0 });
  const most = new Backoff({ random: () => 0.999_999 });
  const waits = (backoff: Backoff) => Array.from({ length: 8 }, () => backoff.next());
  assert.deepEqual(waits(least), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.deepEqual(waits(most), [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  least.reset();
  assert.equal(least.next(), 500);
});

test('a sleep of the machine is noticed, a busy moment is none', async () => {
  let asleep = 0;
  const slept = Promise.withResolvers<number>();
  const watch = watchSleep((millis) => slept.resolve(millis), { awake: () => 0, total: () => asleep }, 1);
  asleep = 1_000;
  await new Promise((resolve) => setTimeout(resolve, 5));
  asleep = 601_000;
  assert.equal(await slept.promise, 600_000);
  watch.close();
});
