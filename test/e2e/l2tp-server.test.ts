/** xl2tpd, pppd and strongSwan with the kernel's ESP and L2TP call us. The hosts are drawn in l2tp/lab.ts. */
import assert from 'node:assert/strict';
import { after, afterEach, before, type TestContext, test } from 'node:test';
import { eventually, labIsPossible, missingForLab } from '@culvert/testkit';
import { createCertificates } from './ike/certificates.ts';
import { chainPrograms, createChains } from './ike/chains.ts';
import { type Connection, install } from './ike/swanctl.ts';
import { clients, L2tpLab, labPrograms, password } from './l2tp/lab.ts';
import { call, hangUp, prepare } from './l2tp/steps.ts';
import { pings, saidOf, transfer, type Up, upsOf } from './ppp/steps.ts';

const BYTES = 100_000_000;
const FEW_BYTES = 1_000_000;
const gateway = ['10.99.0.1', 'fd99::1'] as const;

let lab: L2tpLab;
before(async () => {
  if (missingForLab(labPrograms).length === 0) lab = await L2tpLab.open(['client', 'neighbour']);
});
afterEach((t) => lab?.restore(t));
after(() => lab?.[Symbol.asyncDispose]());

function isPossible(t: TestContext): boolean {
  return labIsPossible(t, labPrograms);
}

test('AES-CBC and SHA-256, both IP versions, everything arrives, and it ends in order', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  await prepare(lab.client);
  await call(lab.client);
  const { facts, mtu } = await saidOf<Up>(end, 'up');
  assert.equal(facts['ike'], 'aes256-sha2-256-modp2048 (pre-shared-key)');
  assert.equal(facts['esp'], 'aes256-hmac-sha2-256-128');
  await pings(lab.client, gateway);
  for (const size of [0, 1, mtu - 29, mtu - 28, mtu - 27, 4_000]) await pings(lab.client, gateway, { count: 2, size });
  await transfer(lab.client, gateway[0], BYTES);
  await transfer(lab.client, gateway[1], FEW_BYTES);
  await hangUp(lab.client);
  assert.equal((await saidOf<{ cause: string }>(end, 'closed')).cause, 'peer');
});

test('xl2tpd carries the data itself, with all that PPP compresses', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  await prepare(lab.client);
  await lab.client.exec('by_kernel no');
  await call(lab.client);
  await saidOf<Up>(end, 'up');
  await pings(lab.client, gateway);
  for (const address of gateway) await transfer(lab.client, address, FEW_BYTES);
  await hangUp(lab.client);
  await saidOf(end, 'closed');
});

const suites: readonly (Partial<Connection> & { readonly weak?: true })[] = [
  { phase1: 'aes256-sha512-ecp384', phase2: 'aes256gcm16' },
  { phase1: 'aes128-sha1-modp2048', phase2: 'aes128gcm16-modp2048' },
  { phase1: 'default', phase2: 'default' },
  { phase1: 'aes128-sha1-modp2048', phase2: 'aes128-sha1', options: 'encap = yes' },
  { phase1: '3des-sha1-modp1024', phase2: '3des-sha1', weak: true },
];

for (const { weak = false, ...proposals } of suites) {
  test(`${proposals.phase1}, ${proposals.phase2}${weak ? ' with the switch' : ''}`, async (t) => {
    if (!isPossible(t)) return;
    const end = await lab.serve({ weak });
    await prepare(lab.client, proposals);
    await call(lab.client);
    await saidOf<Up>(end, 'up');
    await pings(lab.client, gateway);
    await transfer(lab.client, gateway[0], FEW_BYTES);
    await hangUp(lab.client);
    await saidOf(end, 'closed');
  });
}

test('3DES, SHA-1 and MODP-1024 are refused without the switch, and told with both offers', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  await prepare(lab.client, { phase1: '3des-sha1-modp1024', phase2: '3des-sha1' });
  await assert.rejects(call(lab.client), /NO_PROPOSAL_CHOSEN/);
  const refused = await saidOf<{ reason: string }>(end, 'event(?= .*"kind":"refused")');
  assert.match(refused.reason, /the peer offers 3des-sha1-modp1024.*accepted here: aes256/);
  assert.doesNotMatch(end.output, /^up /m);
});

for (const kind of ['rsa-3072', 'ec-p256'] as const) {
  test(`certificates: ${kind}`, async (t) => {
    if (!isPossible(t)) return;
    const made = await createCertificates(lab.folder, kind, ['vpn.example'], 'client');
    install(lab.client, kind, made);
    const { certificate, privateKey, ca } = made.files;
    const end = await lab.serve({ certificate: { certificate, privateKey, ca } });
    await prepare(lab.client, { certificates: kind });
    await call(lab.client);
    await saidOf<Up>(end, 'up');
    await pings(lab.client, gateway);
    await hangUp(lab.client);
  });
}

test('certificates: ec-p521 below intermediate authorities', async (t) => {
  if (!labIsPossible(t, [...labPrograms, ...chainPrograms])) return;
  const made = createChains(lab.folder, 'ec-p521', 'vpn.example', 'client');
  install(lab.client, 'chain', made);
  const end = await lab.serve({ certificate: made.files });
  await prepare(lab.client, { certificates: 'chain' });
  await call(lab.client);
  await saidOf<Up>(end, 'up');
  await pings(lab.client, gateway);
  await hangUp(lab.client);
});

test('the secret of the tunnel, and another one', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve({ secret: 'of both' });
  await prepare(lab.client);
  await lab.client.exec("tunnel_secret 'of both'");
  await call(lab.client);
  await saidOf<Up>(end, 'up');
  await pings(lab.client, gateway.slice(0, 1));
  await hangUp(lab.client);
  await lab.client.exec('tunnel_secret of-nobody');
  await assert.rejects(call(lab.client), /Invalid challenge/);
  await end.waitFor(/the peer ended the tunnel.*Invalid challenge authentication/);
  assert.equal(end.output.match(/^up /gm)?.length, 1);
});

test('a wrong pre-shared key, and a wrong password inside the right one', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  await prepare(lab.client, {}, 'another key');
  await assert.rejects(call(lab.client));
  await prepare(lab.client);
  await assert.rejects(call(lab.client, 'guess'), /authentication failed|Access denied/i);
  await end.waitFor(/^event \{"kind":"refused".*"reason":"wrong password"/m);
  assert.doesNotMatch(end.output, /^up /m);
});

test('NAT: two clients behind one address, with the same ports inside, at once', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  const show = await lab.hide('guests');
  const both = [lab.client, lab.neighbour];
  for (const guest of both) await prepare(guest);
  await Promise.all(both.map((guest) => call(guest)));
  const remotes = (await upsOf(end, 2)).map(({ remote }) => remote.address);
  assert.deepEqual(remotes, ['198.51.100.1', '198.51.100.1']);
  await Promise.all(both.map((guest) => pings(guest, gateway)));
  await Promise.all(both.map((guest) => transfer(guest, gateway[0], FEW_BYTES)));
  await hangUp(lab.client);
  await saidOf(end, 'closed');
  await pings(lab.neighbour, gateway);
  await hangUp(lab.neighbour);
  await show();
});

test('the NAT before a client gets another address, and the link goes on, over new keys too', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  const show = await lab.hide('guests');
  await prepare(lab.client);
  await call(lab.client);
  await pings(lab.client, gateway);
  await lab.move();
  await pings(lab.client, gateway);
  await lab.client.exec('swanctl --rekey --child ours');
  await end.waitFor(/^event \{"kind":"rekeyed"/m);
  await pings(lab.client, gateway);
  await transfer(lab.client, gateway[0], FEW_BYTES);
  await hangUp(lab.client);
  assert.equal((await saidOf<{ cause: string }>(end, 'closed')).cause, 'peer');
  await show();
});

test('one datagram in ten lost, and then a path for 1,300 bytes: all arrives', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  await prepare(lab.client);
  // Before the loss: charon gives up after three in a row.
  await call(lab.client);
  const heal = await lab.lose();
  const { mtu } = await saidOf<Up>(end, 'up');
  await transfer(lab.client, gateway[0], FEW_BYTES / 10);
  await heal();
  const widen = await lab.narrow();
  await pings(lab.client, [gateway[0]], { count: 2, size: mtu - 28 });
  await transfer(lab.client, gateway[0], FEW_BYTES);
  await widen();
  await hangUp(lab.client);
});

test('new keys of both phases under traffic', async (t) => {
  if (!isPossible(t)) return;
  await lab.serve();
  // Or what it negotiates, and all that it has, ends with the third copy of a message that a busy machine does not answer in six seconds.
  await lab.client.exec('patience 6 60');
  await prepare(lab.client, {
    options: 'reauth_time = 4s\nrand_time = 0s\nover_time = 120s',
    child: 'rekey_time = 3s\nrand_time = 0s\nlife_time = 120s',
  });
  await call(lab.client);
  const before = made();
  await pings(lab.client, [gateway[0]], { count: 300, interval: 0.02 });
  await eventually(
    'three rounds of new keys of each phase',
    async () => {
      await transfer(lab.client, gateway[0], FEW_BYTES);
      const { phase1, renewed } = made();
      return phase1 >= before.phase1 + 3 && renewed >= before.renewed + 3;
    },
    180_000,
  );
  await pings(lab.client, gateway);
  await hangUp(lab.client);
});

/** What the client's charon said so far: phase 1 that stands, and pairs whose new keys are not those of a new phase 1. */
function made(): { readonly phase1: number; readonly renewed: number } {
  const log = lab.client.read('charon.log');
  const count = (what: RegExp) => log.match(what)?.length ?? 0;
  const phase1 = count(/IKE_SA ours\[\d+\] established/g);
  return { phase1, renewed: count(/CHILD_SA \w+\{\d+\} established/g) - phase1 };
}

test('a client that dies without a word is noticed', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve({ keepalive: { interval: 1_000, timeout: 4_000 } });
  await prepare(lab.client);
  await call(lab.client);
  await saidOf<Up>(end, 'up');
  const mend = await lab.cutOff(clients[0]);
  const { cause } = await saidOf<{ cause: string }>(end, 'closed');
  assert.equal(cause, 'lost');
  await mend();
  await lab.client.exec('quit; stop_charon KILL');
});

test('our server restarts, in order and not, and the client comes back', async (t) => {
  if (!isPossible(t)) return;
  const dpd = { options: 'dpd_delay = 1s\ndpd_timeout = 3s' };
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const end = await lab.serve();
    await prepare(lab.client, dpd);
    await call(lab.client, undefined, 'lcp-echo-interval 1 lcp-echo-failure 3');
    await saidOf<Up>(end, 'up');
    await end.stop(signal);
    await lab.client.exec('wait_for 150 is_over && quit');
    const noticed = async () => (await lab.client.exec('swanctl --list-sas --ike ours')).trim() === '';
    await eventually('charon noticed', noticed, 20_000);
  }
  await lab.serve();
  await prepare(lab.client);
  await call(lab.client);
  await pings(lab.client, gateway);
  await hangUp(lab.client);
});

test('L2TP in the clear is not answered', async (t) => {
  if (!isPossible(t)) return;
  const end = await lab.serve();
  await prepare(lab.client);
  await lab.client.exec('allow');
  t.after(() => lab.client.exec('block'));
  const calling = lab.client.exec(`call '${password}'`).catch(() => 'it came to nothing');
  await eventually('it asks again and again', async () => (await lab.clearText()).came >= 3);
  await lab.client.exec('quit');
  assert.equal(await calling, 'it came to nothing');
  assert.doesNotMatch(end.output, /^(?:up|event) /m);
});
