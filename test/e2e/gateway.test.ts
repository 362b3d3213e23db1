/** culvertd and its peers, end to end. The topology is drawn in office.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventually, type HostProcess, labIsPossible } from '@culvert/testkit';
import { answers, networkOf, Office, officeAddress, reaches } from './office.ts';

const tools = ['ping', 'nft', 'sysctl'];
/** CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW. */
const SERVICE_CAPABILITIES = (1n << 10n) | (1n << 12n) | (1n << 13n);

test('a laptop reaches the office over both IP versions, and status tells of its session', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  await office.startGateway();
  await office.connect(office.host('laptop'), 'alice');
  await reaches(office.host('laptop'), officeAddress.ipv6);
  const status = JSON.stringify(JSON.parse(await office.culvertd('status', '--json')));
  assert.match(status, /"alice"/);
  assert.match(status, /10\.88\.0\.2/);
});

test('links do not reach each other, and the office reaches no link that did not ask', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  await office.startGateway();
  const [laptop, phone] = [office.host('laptop'), office.host('phone')];
  await office.connect(laptop, 'alice');
  await office.connect(phone, 'bob');
  const { addr_info: addresses = [] } = JSON.parse(await phone.ip('-json address show dev tun0'))[0] ?? {};
  const address = addresses.find(({ family }: { family: string }) => family === 'inet')?.local;
  assert.match(address, /^10\.88\.0\./);
  assert.equal(await answers(laptop, address), false);
  await office.host('office').ip('route add 10.88.0.0/24 via 10.77.0.1');
  assert.equal(await answers(office.host('office'), address), false);
});

test('a revoked certificate ends its live link within a second, and does not come in again', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  const gateway = await office.startGateway();
  await endWithinASecond(office, gateway, 'revoked', async (user) => {
    await office.ca('revoke', user);
    await office.publishCrl();
  });
});

test('a disabled user loses the live link within a second', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  for (const user of ['alice', 'bob']) await office.culvertd('user', 'add', user);
  const gateway = await office.startGateway();
  await endWithinASecond(office, gateway, 'disabled', (user) => office.culvertd('user', 'disable', user));
});

/** Alice and bob, one after the other, since a busy machine may hold us up once. Neither comes in again. */
async function endWithinASecond(
  office: Office,
  gateway: HostProcess,
  why: string,
  end: (user: string) => Promise<unknown>,
): Promise<void> {
  const seconds: number[] = [];
  for (const [label, user] of [
    ['laptop', 'alice'],
    ['phone', 'bob'],
  ] as const) {
    const client = await office.connect(office.host(label), user);
    await end(user);
    const ended = performance.now();
    await gateway.waitFor(new RegExp(`session ended .*${user}.*${why}`));
    seconds.push((performance.now() - ended) / 1_000);
    const { code } = await client.exited;
    assert.equal(code, 5, client.output);
  }
  assert.ok(Math.min(...seconds) < 1, `${seconds.map((each) => each.toFixed(2))} s`);
}

test('SIGTERM ends it cleanly and leaves the host as it was', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  const before = await networkOf(office.host('gateway'));
  const gateway = await office.startGateway();
  const client = await office.connect(office.host('laptop'), 'alice');
  assert.notEqual(await networkOf(office.host('gateway')), before);
  assert.deepEqual(await gateway.stop('SIGTERM'), { code: 0, signal: null });
  assert.equal(await networkOf(office.host('gateway')), before);
  await office.startGateway();
  await reaches(office.host('laptop'), officeAddress.ipv4);
  assert.equal(client.end, undefined, 'the client came back by itself');
});

test('after kill -9 the next start goes on, and its end leaves the host as it was', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  const before = await networkOf(office.host('gateway'));
  const first = await office.startGateway();
  await first.stop('SIGKILL');
  const second = await office.startGateway();
  await office.connect(office.host('laptop'), 'alice');
  assert.equal((await second.stop('SIGTERM')).code, 0);
  assert.equal(await networkOf(office.host('gateway')), before);
});

test('once it listens it holds no more than three capabilities and cannot gain any', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open();
  const { pid } = await office.startGateway();
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
  for (const set of ['CapEff', 'CapPrm', 'CapBnd']) assert.equal(BigInt(`0x${field(set)}`), SERVICE_CAPABILITIES, set);
  assert.equal(field('NoNewPrivs'), '1');
});

test('a configuration with mistakes is refused with every mistake, its line and its key', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ yaml: 'keepalivee: 3\nlimits: { links: many }' });
  const check = await eventually('an answer', async () => {
    const failure = await office.culvertd('check').catch((error: Error) => error.message);
    return failure;
  });
  assert.match(check, /exit code 3/);
  assert.match(check, /culvertd\.yaml:\d+.*keepalivee/);
  assert.match(check, /culvertd\.yaml:\d+.*limits\.links/);
});
