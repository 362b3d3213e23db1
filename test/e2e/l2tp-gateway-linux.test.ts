/** culvertd with L2TP/IPsec on, and strongSwan, xl2tpd and pppd as its client. The hosts are drawn in l2tp/lab.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { eventually, labIsPossible, missingForLab } from '@culvert/testkit';
import { install } from './ike/swanctl.ts';
import { L2tpLab, labPrograms, ours } from './l2tp/lab.ts';
import { call, hangUp, prepare } from './l2tp/steps.ts';
import { gatewayPrograms, key, L2tpGateway, password } from './l2tp-gateway/gateway.ts';
import { pings, transfer } from './ppp/steps.ts';

const programs = [...labPrograms, ...gatewayPrograms];
const inner = ['10.99.0.1', 'fd99::1'] as const;
const BYTES = 1_000_000;
const TRIES_IN_LOSS = 3;

let lab: L2tpLab;
let gateway: L2tpGateway;
before(async () => {
  if (missingForLab(programs).length > 0) return;
  lab = await L2tpLab.open(['client']);
  gateway = await L2tpGateway.create(lab.ours, lab.folder, ours);
});
afterEach((t) => lab?.restore(t));
after(() => lab?.[Symbol.asyncDispose]());

test('by a shared key, until the user is disabled', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk');
  const run = await gateway.start(t);
  await prepare(lab.client, {}, key);
  await assert.rejects(call(lab.client, 'guess'), /authentication failed|Access denied/i);
  await run.waitFor('wrong password for alice');
  await call(lab.client, password);
  const session = await gateway.session();
  assert.deepEqual([session.user, session.transport, session.proofs], ['alice', 'l2tp-ipsec', ['password']]);
  assert.equal(session.facts['ike'], 'aes256-sha2-256-modp2048 (pre-shared-key)');
  await pings(lab.client, inner);
  for (const address of inner) await transfer(lab.client, address, BYTES);
  assert.match(await gateway.ask('session', 'explain', 'alice'), /^esp\taes256-hmac-sha2-256-128$[\s\S]*\tup\t/m);
  await gateway.disable(t, 'alice');
  await lab.client.exec('wait_for 100 is_over && quit');
  await eventually('the end of the session', async () => (await gateway.sessions()).length === 0);
  await assert.rejects(call(lab.client, password), /authentication failed|Access denied/i);
  await run.waitFor('alice is disabled');
  await gateway.stop(run);
});

test('what has nothing in common with us is explained, and with acceptWeak it gets in', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk');
  const strict = await gateway.start(t);
  const old = { phase1: '3des-sha1-modp1024', phase2: '3des-sha1' };
  await prepare(lab.client, old, key);
  await assert.rejects(call(lab.client, password));
  await strict.waitFor(/reason="?the peer offers 3des-sha1-modp1024.*accepted here/);
  const told = await gateway.ask('session', 'explain', '192.0.2.10');
  assert.match(told, /^3des-sha1-modp1024 \(pre-shared-key\)\taes256\|aes192\|aes128$/m);
  await gateway.stop(strict);

  gateway.configure('presharedKey: psk, acceptWeak: true');
  const weak = await gateway.start(t);
  assert.match(await gateway.ask('status'), /warning\s+transports\.l2tpIpsec\.acceptWeak is on/);
  await call(lab.client, password);
  await pings(lab.client, inner);
  await hangUp(lab.client);
  await gateway.stop(weak);
});

test('where phase 1 has something in common and phase 2 nothing, both offers of phase 2 are told', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk');
  const run = await gateway.start(t);
  await prepare(lab.client, { phase2: '3des-sha1' }, key);
  await assert.rejects(call(lab.client, password));
  await run.waitFor(/reason="?the peer offers 3des-sha1 \(udpTransport, no PFS\); accepted here: aes/);
  const told = await gateway.ask('session', 'explain', '192.0.2.10');
  assert.match(told, /^reason\tthe peer offers 3des-sha1 .*; accepted here: aes/m);
  assert.match(told, /\tno proposal in common\tphase=2$/m);
  assert.match(told, /^3des-sha1 \(udpTransport, no PFS\)\taes/m);
  await gateway.stop(run);
});

test('where encapsulation is not forced, ESP of a peer without NAT comes as IP protocol 50', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk, forceEncapsulation: false');
  const run = await gateway.start(t);
  await prepare(lab.client, {}, key);
  const count = `chain in {
    type filter hook input priority 0;
    meta l4proto 50 counter
  }`;
  await lab.ours.exec('nft', ['-f', '-'], { input: `table ip bare {\n${count}\n}\n` });
  t.after(() => lab.ours.exec('nft', ['delete', 'table', 'ip', 'bare']));
  await call(lab.client, password);
  assert.equal((await gateway.session()).facts['nat'], 'no');
  for (const address of inner) await transfer(lab.client, address, BYTES);
  const [, packets] = /packets (\d+)/.exec(await lab.ours.exec('nft', ['list', 'table', 'ip', 'bare'])) ?? [];
  assert.ok(Number(packets) > 1_000, `${packets} packets of ESP`);
  await hangUp(lab.client);
  await gateway.stop(run);
});

test('new keys under traffic, with ESP as IP protocol 50', async (t) => {
  if (!labIsPossible(t, programs)) return;
  gateway.configure('presharedKey: psk, forceEncapsulation: false');
  const run = await gateway.start(t);
  await lab.client.exec('patience 6 60');
  await prepare(lab.client, { child: 'rekey_time = 3s\nrand_time = 0s\nlife_time = 120s' }, key);
  await call(lab.client, password);
  assert.equal((await gateway.session()).facts['nat'], 'no');
  await eventually(
    'new keys, twice',
    async () => {
      await transfer(lab.client, inner[0], BYTES);
      const told = await gateway.ask('session', 'explain', 'alice');
      return (told.match(/\tnew keys\t/g) ?? []).length >= 2;
    },
    180_000,
  );
  await pings(lab.client, inner);
  await hangUp(lab.client);
  await gateway.stop(run);
});

for (const forceEncapsulation of [true, false]) {
  const how = forceEncapsulation ? 'in UDP' : 'as IP protocol 50';
  test(`a call comes up where one datagram in ten is lost, with ESP ${how}`, async (t) => {
    if (!labIsPossible(t, programs)) return;
    gateway.configure(`presharedKey: psk, forceEncapsulation: ${forceEncapsulation}`);
    const run = await gateway.start(t);
    await prepare(lab.client, {}, key);
    const heal = await lab.lose();
    await callInLoss();
    await heal();
    assert.match((await gateway.session()).remote, forceEncapsulation ? /:4500$/ : /:500$/);
    await pings(lab.client, inner);
    await hangUp(lab.client);
    await gateway.stop(run);
  });
}

/** Charon gives up after three messages lost in a row, and a call then begins anew. */
async function callInLoss(): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await call(lab.client, password);
      return;
    } catch (error) {
      if (tries === TRIES_IN_LOSS) throw error;
      await lab.client.exec('quiet');
      await prepare(lab.client, {}, key);
    }
  }
}

for (const hidden of [false, true]) {
  test(`by certificates of culvert-ca${hidden ? ', behind a NAT' : ''}`, async (t) => {
    if (!labIsPossible(t, programs)) return;
    gateway.configure(gateway.certificateSection);
    const run = await gateway.start(t);
    const show = hidden ? await lab.hide('guests') : undefined;
    const { ca, certificate, privateKey } = gateway.certificateOf('alice');
    const [authority, own, secret] = [ca, certificate, privateKey].map((path) => readFileSync(path, 'utf8'));
    install(lab.client, 'alice', { ca: authority ?? '', certificate: own ?? '', key: secret ?? '' });
    await prepare(lab.client, { certificates: 'alice' }, key);
    await call(lab.client, password);
    const session = await gateway.session();
    assert.match(session.facts['peer'] ?? '', /CN=alice/);
    assert.equal(session.remote.replace(/:\d+$/, ''), hidden ? '198.51.100.1' : '192.0.2.10');
    await pings(lab.client, inner);
    for (const address of inner) await transfer(lab.client, address, BYTES);
    await hangUp(lab.client);
    await show?.();
    await gateway.stop(run);
  });
}
