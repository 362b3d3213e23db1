/**
 * culvertd with L2TP/IPsec on, as people run it, and our own end of the transport on another host:
 *
 *   client 192.0.2.2 ── 192.0.2.1 gateway          inside: 10.99.0.0/24 and fd99::/64
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, type HostProcess, Lab, labIsPossible, missingForLab, type TestHost } from '@culvert/testkit';
import type { EndOptions } from './l2tp-gateway/end.ts';
import { key, L2tpGateway, password, gatewayPrograms as programs } from './l2tp-gateway/gateway.ts';

const local = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const node = local('../../scripts/node');

let lab: Lab;
let gateway: L2tpGateway;
let client: TestHost;
const dialled: HostProcess[] = [];

before(async () => {
  if (missingForLab(programs).length > 0) return;
  lab = new Lab();
  const host = await lab.createHost('gateway');
  client = await lab.createHost('client');
  await lab.joinHosts(host, client, {
    addresses: [
      ['192.0.2.1/24', '2001:db8::1/64'],
      ['192.0.2.2/24', '2001:db8::2/64'],
    ],
  });
  gateway = await L2tpGateway.create(host, lab.folder, '192.0.2.1');
  await host.spawn(node, [local('traffic.ts'), 'serve', '7']).waitFor('serving');
});
afterEach(() => Promise.all(dialled.splice(0).map((end) => end.stop())));
after(() => lab?.close());

function dial(options: Partial<EndOptions> = {}): HostProcess {
  const all = { remote: '192.0.2.1', username: 'alice', password, psk: key, ...options };
  const end = client.spawn(node, [local('l2tp-gateway/end.ts'), JSON.stringify(all)]);
  dialled.push(end);
  return end;
}

/** Its reason as the client hears it, and as the gateway's log tells it. */
async function refused(run: HostProcess, options: Partial<EndOptions>, heard: RegExp, logged: RegExp): Promise<void> {
  const end = dial(options);
  const [line] = await end.waitFor(/failed .*/);
  assert.match(line, heard);
  await run.waitFor(logged);
}

test('by a shared key: who knows it and a password gets in, and nobody else', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk');
  assert.match(await gateway.ask('user', 'list'), /alice\s+enabled\s+yes, NT hash\s+staff/);
  const run = await gateway.start(t);
  assert.match(await gateway.ask('status'), /l2tp-ipsec udp 0\.0\.0\.0:500, udp 0\.0\.0\.0:4500/);

  await refused(run, { password: 'guess' }, /CULVERT_TRANSPORT_REFUSED/, /reason="?wrong password for alice/);
  await refused(
    run,
    { psk: 'another key' },
    /CULVERT_TRANSPORT_REFUSED/,
    /reason="?the pre-shared key probably differs/,
  );
  const alice = dial();
  await alice.waitFor('up');
  await alice.waitFor('echoed {"datagrams":40}');
  const session = await gateway.session();
  assert.deepEqual([session.user, session.transport, session.proofs], ['alice', 'l2tp-ipsec', ['password']]);
  assert.match(session.facts['ike'] ?? '', /^aes256/);
  assert.match(await gateway.ask('session', 'explain', 'alice'), /^esp\taes.*[\s\S]*\tup\t/m);

  await gateway.disable(t, 'alice');
  await alice.waitFor(/closed .*/);
  await eventually('the end of the session', async () => (await gateway.sessions()).length === 0);
  await refused(run, {}, /CULVERT_TRANSPORT_REFUSED/, /reason="?alice is disabled/);
  await gateway.stop(run);
});

test('a try without a proposal in common is told with both offers side by side', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk');
  const run = await gateway.start(t);
  const certificate = gateway.certificateOf('alice');
  await refused(
    run,
    { psk: undefined, certificate },
    /CULVERT_TRANSPORT_REFUSED.*we offered/,
    /the peer offers .*accepted here/,
  );
  const told = await gateway.ask('session', 'explain', '192.0.2.2');
  assert.match(told, /^reason\tthe peer offers /m);
  assert.match(told, /^aes256-sha2-256-ecp384 \(rsa-signature\)\taes256\|aes192\|aes128$/m);
  assert.match(told, /^aes256.*\(rsa-signature\)\tecp384\|.*\(pre-shared-key\)$/m);
  const [line] = (await gateway.ask('session', 'explain')).split('\n');
  assert.match(line ?? '', /^a\d+\t.*\tl2tp-ipsec\t192\.0\.2\.2:500\tthe peer offers/);
  await gateway.stop(run);
});

test('by certificates of culvert-ca, until one is revoked', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure(gateway.certificateSection);
  const run = await gateway.start(t);
  await refused(run, {}, /CULVERT_TRANSPORT_REFUSED/, /the peer offers .*pre-shared-key.*accepted here/);
  const certificate = gateway.certificateOf('alice');
  const alice = dial({ psk: undefined, certificate });
  await alice.waitFor('echoed {"datagrams":40}');
  const session = await gateway.session();
  assert.match(session.facts['peer'] ?? '', /CN=alice/);
  await alice.stop();
  await gateway.ca('revoke', 'alice', '--out', 'etc/crl.pem');
  await run.waitFor(/revocation list read[\s\S]*revocation list read/);
  await refused(run, { psk: undefined, certificate }, /CULVERT_TRANSPORT_REFUSED/, /reason=.*revoked/);
  await gateway.stop(run);
});

test('by PAP no NT hash is needed, and none is kept', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk, authentication: [pap]');
  t.after(async () => {
    gateway.configure('presharedKey: psk');
    await gateway.ask('user', 'passwd', 'alice', '--password-file', gateway.write('password', password));
  });
  const run = await gateway.start(t);
  await run.waitFor('NT hashes forgotten');
  assert.match(await gateway.ask('user', 'list'), /alice\s+enabled\s+yes\s+staff/);
  await refused(run, { authentication: ['pap'], password: 'guess' }, /REFUSED/, /wrong password for alice/);
  const alice = dial({ authentication: ['pap'] });
  await alice.waitFor('up');
  const session = await gateway.session();
  assert.equal(session.facts['authentication'], 'pap');
  await gateway.stop(run);
});

test('a reload takes another key for who comes next, and leaves alone who is in', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk, acceptWeak: true');
  const run = await gateway.start(t);
  await run.waitFor('transports.l2tpIpsec.acceptWeak is on');
  const before = dial();
  await before.waitFor('up');
  const other = `${key}${key}`;
  gateway.writeKey(other);
  await gateway.ask('reload');
  assert.match(await gateway.ask('status'), /acceptWeak is on/);
  await refused(run, {}, /CULVERT_TRANSPORT_REFUSED/, /the pre-shared key probably differs/);
  assert.equal((await gateway.sessions()).length, 1);
  const after = dial({ psk: other });
  await after.waitFor('up');
  await before.waitFor(/closed .*/);
  await gateway.stop(run);
});

test('over IPv6, beside IPv4, by a key of its network', async (t) => {
  if (!labIsPossible(t, programs)) return;
  const [v6, other] = [`${key}6`, `${key}0`];
  for (const [name, text] of [
    ['v6', v6],
    ['other', other],
  ] as const)
    gateway.write(name, text);
  gateway.configure(
    'listen: [{}, { address: "::" }], presharedKey: psk, presharedKeys: [{ network: "2001:db8::/64", file: v6 }, { network: "2001:db8:1::/64", file: other }]',
  );
  const run = await gateway.start(t);
  const alice = dial({ remote: '2001:db8::1', psk: v6 });
  await alice.waitFor('echoed {"datagrams":40}');
  const session = await gateway.session();
  assert.match(session.remote, /^\[2001:db8::2\]:4500$/);
  assert.match(await gateway.ask('session', 'explain', '2001:DB8::2'), /^outcome\tup$/m);
  const ipv4 = dial();
  await ipv4.waitFor('up');
  await gateway.stop(run);
});

test('keys that root alone can read are handed over, and where they are too many that is said', async (t) => {
  if (!labIsPossible(t, programs)) return;
  const withKeys = (count: number) =>
    Array.from({ length: count }, (_, n) => {
      gateway.write(`branch-${n}`, `${key}${n}`);
      return `{ network: 10.0.${n}.0/24, file: branch-${n} }`;
    }).join(', ');
  gateway.configure(`presharedKeys: [${withKeys(8)}]`);
  const tooMany = gateway.culvertd('run');
  assert.equal((await tooMany.exited).code, 4);
  assert.match(tooMany.output, /user nobody cannot read .*branch-7: more files than root can hand over/);
  gateway.configure(`presharedKeys: [${withKeys(4)}, { network: 192.0.2.2/32, file: branch-0 }]`);
  const run = await gateway.start(t);
  const alice = dial({ psk: `${key}0` });
  await alice.waitFor('up');
  await gateway.stop(run);
});
