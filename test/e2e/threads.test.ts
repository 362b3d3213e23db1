/**
 * culvertd with two packet threads, and eight laptops on the street. The topology is drawn in office.ts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type HostProcess, labIsPossible, type TestHost } from '@culvert/testkit';
import { answers, culvertd, networkOf, Office, type OfficeOptions, officeAddress, reaches } from './office.ts';

const tools = ['ping', 'nft', 'sysctl'];

interface Laptop {
  readonly user: string;
  readonly host: TestHost;
  readonly client: HostProcess;
  readonly inner: string;
  /** Of the packet thread that has it. */
  readonly thread: number;
}

interface Status {
  readonly sessions: readonly {
    readonly id: number;
    readonly link: number;
    readonly user: string;
    readonly ipv4: string;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly remote: string;
  }[];
  readonly listeners: readonly { readonly stats: Readonly<Record<string, number>> }[];
  readonly dropped: Readonly<Record<string, number>>;
}

const status = async (office: Office): Promise<Status> => JSON.parse(await office.culvertd('status', '--json'));

async function addHost(office: Office, n: number): Promise<TestHost> {
  const host = await office.lab.createHost(`laptop${n}`);
  const street = office.host('street');
  const [, port] = await office.lab.joinHosts(host, street, { addresses: [[`192.0.2.${10 + n}/24`], []] });
  await street.ip(`link set ${port} master bridge`);
  await office.ca('issue', 'client', `user${n}`);
  return host;
}

/** `count` laptops, each connected as a user of its own. */
async function connect(office: Office, count: number): Promise<Laptop[]> {
  const laptops: Omit<Laptop, 'inner' | 'thread'>[] = [];
  for (let n = 0; n < count; n++) {
    const host = await addHost(office, n);
    laptops.push({ user: `user${n}`, host, client: await office.connect(host, `user${n}`) });
  }
  const { sessions } = await status(office);
  return laptops.map((laptop) => {
    const session = sessions.find(({ user }) => user === laptop.user);
    assert.ok(session, laptop.user);
    return { ...laptop, inner: session.ipv4, thread: session.link % 2 };
  });
}

/** Laptops of both threads, which the kernel chooses by chance: as many as it takes. */
async function openOffice(count: number, options: OfficeOptions = {}) {
  const office = await Office.open({ network: 'threads: 2', ...options });
  const gateway = await office.startGateway();
  const laptops = await connect(office, count);
  while (new Set(laptops.map(({ thread }) => thread)).size < 2) {
    const host = await addHost(office, laptops.length);
    const user = `user${laptops.length}`;
    const client = await office.connect(host, user);
    const session = (await status(office)).sessions.find((each) => each.user === user);
    assert.ok(session);
    laptops.push({ user, host, client, inner: session.ipv4, thread: session.link % 2 });
  }
  return { office, gateway, laptops };
}

const find = async (office: Office, laptop: Laptop) =>
  (await status(office)).sessions.find(({ user }) => user === laptop.user);
const counted = async (office: Office, name: string) => (await status(office)).listeners[0]?.stats[name] ?? 0;

/** The office opens flows to links. */
const fromOffice = 'filter: { default: allow, rules: [{ action: allow, direction: from-office }] }';

test('eight laptops on two threads carry packets both ways, whoever begins, and each is counted', async (t) => {
  if (!labIsPossible(t, tools)) return;
  const { office, laptops } = await openOffice(8, { yaml: fromOffice });
  await using _ = office;
  await Promise.all(laptops.map(({ host }) => reaches(host, officeAddress.ipv6)));
  const server = office.host('office');
  await server.ip('route add 10.88.0.0/24 via 10.77.0.1');
  await server.ip('route add fd88::/64 via fd77::1');
  for (const { inner } of laptops) {
    assert.ok(await answers(server, inner), inner);
    assert.ok(await answers(server, inner.replace('10.88.0.', 'fd88::')), inner);
  }
  // The kernel knows these flows by their answers only: with sixteen of them, some begin at the other thread.
  assert.ok((await counted(office, 'handedOver')) > 0);
  const { sessions, dropped } = await status(office);
  assert.equal(sessions.length, laptops.length);
  for (const { user, bytesIn, bytesOut } of sessions) assert.ok(bytesIn > 0 && bytesOut > 0, user);
  assert.equal(await counted(office, 'peers'), laptops.length);
  assert.equal(dropped['handoverFull'], undefined);
});

test('a laptop that moves stays with its session, and ends alone when it is killed, revoked or disabled', async (t) => {
  if (!labIsPossible(t, tools)) return;
  const { office, gateway, laptops } = await openOffice(6);
  await using _ = office;
  for (const [n, laptop] of laptops.entries()) {
    const before = await find(office, laptop);
    const [port] = JSON.parse(await laptop.host.ip('-json route get 192.0.2.1')) as { dev: string }[];
    await laptop.host.exec('sysctl', ['-q', '-w', 'net.ipv4.conf.all.promote_secondaries=1']);
    await laptop.host.ip(`address add 192.0.2.${100 + n}/24 dev ${port?.dev}`);
    await laptop.host.ip(`address del 192.0.2.${10 + n}/24 dev ${port?.dev}`);
    await reaches(laptop.host, officeAddress.ipv4);
    const after = await find(office, laptop);
    assert.equal(after?.id, before?.id, 'the same session');
    assert.match(after?.remote ?? '', new RegExp(`^192\\.0\\.2\\.${100 + n}:`));
  }
  const ofThread = (thread: number) => laptops.filter((laptop) => laptop.thread === thread);
  const victims = [...ofThread(0).slice(0, 1), ...ofThread(1).slice(0, 1)];
  for (const victim of victims) {
    await office.culvertd('session', 'kill', String((await find(office, victim))?.id));
    await victim.client.exited;
  }
  assert.equal(gateway.output.match(/session ended .*cause=operator/g)?.length, victims.length);
  const left = laptops.filter((laptop) => !victims.includes(laptop));
  for (const { user } of left.slice(0, 2)) await office.ca('revoke', user);
  await office.publishCrl();
  for (const { client } of left.slice(0, 2)) assert.equal((await client.exited).code, 5, client.output);
  const [locked, ...free] = left.slice(2);
  assert.ok(locked);
  await office.culvertd('user', 'add', locked.user);
  await office.culvertd('user', 'disable', locked.user);
  await gateway.waitFor(/session ended .*disabled/);
  const { sessions } = await status(office);
  assert.deepEqual(sessions.map(({ user }) => user).sort(), free.map(({ user }) => user).sort());
  for (const { host } of free) await reaches(host, officeAddress.ipv4);
});

test('a revoked certificate is refused by every thread', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ network: 'threads: 2' });
  const gateway = await office.startGateway();
  const laptop = office.host('laptop');
  await (await office.connect(laptop, 'alice')).stop();
  await office.ca('revoke', 'alice');
  await office.publishCrl();
  await gateway.waitFor(/revocation list read.*revocation list read/s);
  // By chance each of them is one thread's.
  for (let n = 0; n < 8; n++) {
    const client = office.culvert(laptop, 'up', 'alice');
    assert.equal((await client.exited).code, 5, client.output);
  }
  assert.deepEqual((await status(office)).sessions, []);
});

test('a user has as many sessions as are allowed, whichever threads have them', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ network: 'threads: 2', yaml: 'limits: { sessionsPerUser: 1 }' });
  const gateway = await office.startGateway();
  const threads = new Set<number>();
  for (let n = 0; threads.size < 2 || n < 4; n++) {
    await office.connect(office.host(n % 2 === 0 ? 'laptop' : 'phone'), 'alice');
    const { sessions } = await status(office);
    const up = sessions.filter(({ user }) => user === 'alice');
    assert.equal(up.length, 1, `one session after connect ${n}`);
    threads.add((up[0]?.link ?? 0) % 2);
    const other = office.host(n % 2 === 0 ? 'phone' : 'laptop');
    await Promise.all(other.processes.map((child) => child.stop()));
  }
  assert.match(gateway.output, /session ended .*cause=replaced/);
});

test('laptops of two threads meet where links may, and do not where they may not', async (t) => {
  if (!labIsPossible(t, tools)) return;
  for (const isolated of [true, false]) {
    const { office, laptops } = await openOffice(2, { yaml: `clientIsolation: ${isolated}` });
    await using _ = office;
    const here = laptops.find(({ thread }) => thread === 0);
    const there = laptops.find(({ thread }) => thread === 1);
    assert.ok(here && there);
    for (const [from, to] of [
      [here, there],
      [there, here],
    ] as const) {
      assert.equal(await answers(from.host, to.inner), !isolated, `isolated: ${isolated}`);
    }
  }
});

test('after a restart the laptops come back by themselves, and the host is left as it was', async (t) => {
  if (!labIsPossible(t, tools)) return;
  const office = await Office.open({ network: 'threads: 2' });
  await using _ = office;
  const before = await networkOf(office.host('gateway'));
  const gateway = await office.startGateway();
  const laptops = await connect(office, 4);
  assert.deepEqual(await gateway.stop('SIGTERM'), { code: 0, signal: null });
  assert.equal(await networkOf(office.host('gateway')), before);
  await office.startGateway();
  await Promise.all(laptops.map(({ host }) => reaches(host, officeAddress.ipv4)));
});

test('TCP goes to one thread, UDP to all, and a port that is taken is told', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ network: 'threads: 2', remotes: ['192.0.2.1:1194:tcp'] });
  await office.startGateway();
  await office.connect(office.host('laptop'), 'alice');
  assert.equal(((await status(office)).sessions[0]?.link ?? 1) % 2, 0);
  const second = office.lab.write(
    'second.yaml',
    readFileSync(office.config, 'utf8')
      .replace(/^control:.*$/m, `control: ${office.lab.folder}/second.sock`)
      .replace('threads: 2', 'threads: 2, device: second0')
      .replaceAll('10.88.0.0/24', '10.89.0.0/24')
      .replaceAll('fd88::', 'fd89::'),
  );
  const taken = office.host('gateway').spawn(culvertd, ['run', '--config', second]);
  assert.notEqual((await taken.exited).code, 0);
  assert.match(taken.output, /another socket has that address and port.*1194/);
});

test('a device that somebody deletes ends the gateway with the reason', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({ network: 'threads: 2' });
  const gateway = await office.startGateway();
  await office.host('gateway').ip('link delete culvert0');
  assert.notEqual((await gateway.exited).code, 0);
  assert.match(gateway.output, /the network interface was deleted: culvert0/);
});
