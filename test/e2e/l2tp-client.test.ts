/** We call xl2tpd, pppd and strongSwan with the kernel's ESP and L2TP. The hosts are drawn in l2tp/lab.ts. */
import assert from 'node:assert/strict';
import { after, afterEach, before, type TestContext, test } from 'node:test';
import { eventually, type HostProcess, labIsPossible, missingForLab } from '@culvert/testkit';
import type { L2tpIpsecDialOptions } from '@culvert/transport';
import { losslessPing } from '../interop/ping.ts';
import { createCertificates } from './ike/certificates.ts';
import { chainPrograms, createChains } from './ike/chains.ts';
import { type Connection, configure, install } from './ike/swanctl.ts';
import { inner, L2tpLab, labPrograms, presharedKey, server } from './l2tp/lab.ts';
import { usual } from './l2tp/steps.ts';
import { reaches } from './office.ts';
import { saidOf, transfer, type Up } from './ppp/steps.ts';

const BYTES = 100_000_000;
const FEW_BYTES = 1_000_000;
/** Of two seconds of pings each. New keys take longer on a busy machine. */
const MOST_ROUNDS = 15;

let lab: L2tpLab;
before(async () => {
  if (missingForLab(labPrograms).length === 0) lab = await L2tpLab.open(['server']);
});
afterEach((t) => lab?.restore(t));
after(() => lab?.[Symbol.asyncDispose]());

function isPossible(t: TestContext): boolean {
  return labIsPossible(t, labPrograms);
}

/** The server by these proposals, until the test ends. */
async function serve(connection: Partial<Connection> = {}, key = presharedKey): Promise<void> {
  configure(
    lab.server,
    [{ name: 'any', remote: '%any', ...usual, selectors: ['udp/1701', 'udp'], ...connection }],
    key,
  );
  await lab.server.exec('if charon_is_up; then load; else start_charon; fi && serve </dev/null');
}

/** Of the server's end of the tunnel. pppd may be up a moment after us: what comes to it before is dropped. */
async function answers(version: 4 | 6 = 4): Promise<void> {
  const address = version === 4 ? inner.local : `${inner.prefix}1`;
  await reaches(lab.ours, address);
  await lab.ours.exec('ping', ['-c3', '-i.1', address]);
}

async function endsInOrder(client: HostProcess): Promise<void> {
  await client.stop();
  await lab.server.exec('wait_for 50 no_pppd');
  assert.match(await lab.server.exec('cat /run/pppd.log'), /LCP terminated by peer|rcvd \[LCP TermReq/);
  // What it was about to make anew it may try for a while.
  await eventually('its charon has none', async () => {
    return !/ESTABLISHED|INSTALLED/.test(await lab.server.exec('swanctl --list-sas --ike any'));
  });
}

test('AES-CBC and SHA-256, both IP versions, everything arrives, and we end in order', async (t) => {
  if (!isPossible(t)) return;
  await serve();
  const client = lab.dial();
  const { facts, ipv4, ipv6 } = await saidOf<Up>(client, 'up');
  assert.equal(facts['ike'], 'aes256-sha2-256-modp2048 (pre-shared-key)');
  assert.equal(facts['esp'], 'aes256-hmac-sha2-256-128');
  for (const version of [4, 6] as const) await answers(version);
  await transfer(lab.server, ipv4?.address ?? '', BYTES);
  await transfer(lab.server, ipv6?.address ?? '', FEW_BYTES);
  await endsInOrder(client);
});

test('xl2tpd carries the data itself, with all that PPP compresses', async (t) => {
  if (!isPossible(t)) return;
  await lab.server.exec('by_kernel no');
  await serve();
  const client = lab.dial();
  const { ipv4 } = await saidOf<Up>(client, 'up');
  for (const version of [4, 6] as const) await answers(version);
  await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES);
  await endsInOrder(client);
});

interface Suites extends Partial<Connection> {
  readonly weak?: true;
  /** Chosen by hand. */
  readonly by?: Pick<L2tpIpsecDialOptions, 'phase1' | 'esp' | 'forwardSecrecy'>;
}

const suites: readonly Suites[] = [
  { phase1: 'aes256-sha256-ecp384', phase2: 'aes256gcm16' },
  { phase1: 'default', phase2: 'default' },
  { phase1: 'aes128-sha1-modp2048', phase2: 'aes128-sha1', options: 'encap = yes' },
  { phase1: '3des-sha1-modp1024', phase2: '3des-sha1', weak: true },
  {
    // Nothing that is offered to who chose nothing.
    phase1: 'aes192-sha512-ecp521',
    phase2: 'aes192-sha512-ecp256',
    by: {
      phase1: [
        { cipher: 'aes-cbc', keyBytes: 16, hash: 'sha2-512', group: 'modp2048' },
        { cipher: 'aes-cbc', keyBytes: 24, hash: 'sha2-512', group: 'ecp521' },
      ],
      esp: [
        { encryption: 'aes-gcm-16', keyBytes: 24 },
        { encryption: 'aes-cbc', keyBytes: 24, integrity: 'hmac-sha2-512-256' },
      ],
      forwardSecrecy: 'ecp256',
    },
  },
];

for (const { weak = false, by, ...proposals } of suites) {
  const how = `${weak ? ' with the switch' : ''}${by === undefined ? '' : ', chosen by hand'}`;
  test(`${proposals.phase1}, ${proposals.phase2}${how}`, async (t) => {
    if (!isPossible(t)) return;
    await serve(proposals);
    const client = lab.dial({ weak, ...by });
    const { ipv4, facts } = await saidOf<Up>(client, 'up');
    if (by !== undefined) {
      assert.equal(facts['ike'], 'aes192-sha2-512-ecp521 (pre-shared-key)');
      assert.equal(facts['esp'], 'aes192-hmac-sha2-512-256');
    }
    for (const version of [4, 6] as const) await answers(version);
    await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES);
    await endsInOrder(client);
  });
}

test('what is weak is refused without the switch, a wrong key and a wrong password are told', async (t) => {
  if (!isPossible(t)) return;
  await serve({ phase1: '3des-sha1-modp1024', phase2: '3des-sha1' });
  const weak = await saidOf<{ message: string }>(lab.dial(), 'failed');
  assert.match(weak.message, /takes none of our proposals; we offered aes256/);
  await lab.server.exec('stop');
  await serve({}, 'another key');
  const key = await saidOf<{ message: string }>(lab.dial(), 'failed');
  assert.match(key.message, /pre-shared key probably differs/);
  await lab.server.exec('stop');
  await serve();
  const secret = await saidOf<{ message: string }>(lab.dial({ password: 'guess' }), 'failed');
  assert.match(secret.message, /authentication|password|denied/i);
});

for (const kind of ['rsa-3072', 'ec-p256'] as const) {
  test(`certificates: ${kind}`, async (t) => {
    if (!isPossible(t)) return;
    const made = await createCertificates(lab.folder, kind, ['vpn.example']);
    install(lab.server, kind, made);
    await serve({ certificates: kind });
    const { certificate, privateKey, ca } = made.files;
    const files = { certificate, privateKey, ca };
    const client = lab.dial({ certificate: { ...files, serverName: 'vpn.example' } });
    await saidOf<Up>(client, 'up');
    await answers();
    await endsInOrder(client);
    const wrong = await saidOf<{ message: string }>(
      lab.dial({ certificate: { ...files, serverName: 'other.example' } }),
      'failed',
    );
    assert.match(wrong.message, /not for other\.example/);
  });
}

for (const kind of ['rsa-3072', 'ec-p521'] as const) {
  test(`certificates: ${kind} below intermediate authorities`, async (t) => {
    if (!labIsPossible(t, [...labPrograms, ...chainPrograms])) return;
    const made = createChains(lab.folder, kind, 'vpn.example', 'server');
    install(lab.server, `chain-${kind}`, made);
    await serve({ certificates: `chain-${kind}` });
    const client = lab.dial({ certificate: { ...made.files, serverName: 'vpn.example' } });
    await saidOf<Up>(client, 'up');
    await answers();
    await endsInOrder(client);
  });
}

test('the secret of the tunnel, and another one', async (t) => {
  if (!isPossible(t)) return;
  await lab.server.exec("tunnel_secret 'of both'");
  await serve();
  const client = lab.dial({ secret: 'of both' });
  await saidOf<Up>(client, 'up');
  await answers();
  await endsInOrder(client);
  const wrong = await saidOf<{ message: string }>(lab.dial({ secret: 'of nobody' }), 'failed');
  assert.match(wrong.message, /the tunnel secrets differ/);
  const none = await saidOf<{ message: string }>(lab.dial(), 'failed');
  assert.match(none.message, /asks for tunnel authentication/);
});

test('NAT: two of ours behind one address, at once', async (t) => {
  if (!isPossible(t)) return;
  await serve();
  const show = await lab.hide('ours');
  const both = [lab.dial(), lab.dial({}, lab.beside)] as const;
  const ups = await Promise.all(both.map((client) => saidOf<Up>(client, 'up')));
  assert.deepEqual(
    ups.map(({ facts }) => facts['nat']),
    ['yes', 'yes'],
  );
  for (const { ipv4 } of ups) await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES);
  await both[0].stop();
  await transfer(lab.server, ups[1]?.ipv4?.address ?? '', FEW_BYTES);
  await endsInOrder(both[1]);
  await show();
});

test('one datagram in ten lost, and then a path for 1,300 bytes: it comes up, and all arrives', async (t) => {
  if (!isPossible(t)) return;
  // Three copies of a message lost would be the end of it: the last word of quick mode is ours.
  await lab.server.exec('patience 6 60');
  await serve();
  const heal = await lab.lose();
  // IPv4 alone, so that the link is not up before it has an address of that version.
  const client = lab.dial({ ipv6: false });
  const { ipv4 } = await saidOf<Up>(client, 'up');
  await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES / 10);
  await heal();
  const widen = await lab.narrow();
  await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES);
  await widen();
  await endsInOrder(client);
});

test('new keys each two million bytes, and all arrives', async (t) => {
  if (!isPossible(t)) return;
  await serve();
  const client = lab.dial({ lifetimes: { phase2Bytes: 2_000_000 } });
  const { ipv4 } = await saidOf<Up>(client, 'up');
  const before = made(/CHILD_SA any\{\d+\} established/g);
  await transfer(lab.server, ipv4?.address ?? '', 10 * FEW_BYTES);
  assert.ok(made(/CHILD_SA any\{\d+\} established/g) >= before + 5, 'at least half as many as there should be');
  await endsInOrder(client);
});

/** How often the server's charon said so. */
function made(what: RegExp): number {
  return lab.server.read('charon.log').match(what)?.length ?? 0;
}

// What has keys has them for long enough that a busy machine makes the next ones: ours for a tenth of its life, when they are due, the
// server's for two minutes.
const reauthenticates = 'reauth_time = 3s\nrand_time = 0s\nover_time = 120s';
const rekeys = 'rekey_time = 2s\nrand_time = 0s\nlife_time = 120s';

for (const [whose, connection, lifetimes, least] of [
  ['ours', {}, { phase1Seconds: 14, phase2Seconds: 10 }, { pairs: 2, phase1: 1 }],
  ['the server, of phase 2', { child: rekeys }, {}, { pairs: 2, phase1: 0 }],
  ['the server, of phase 1', { options: reauthenticates }, {}, { pairs: 0, phase1: 2 }],
  ['the server, of both', { options: reauthenticates, child: rekeys }, {}, { pairs: 2, phase1: 2 }],
  [
    'the server of phase 1, and ours of phase 2',
    { options: reauthenticates },
    { phase2Seconds: 10 },
    { pairs: 1, phase1: 2 },
  ],
] as const) {
  test(`new keys under traffic, by ${whose}`, async (t) => {
    if (!isPossible(t)) return;
    await lab.server.exec('patience 6 60');
    await serve(connection);
    const client = lab.dial({ lifetimes });
    const { ipv4 } = await saidOf<Up>(client, 'up');
    await answers();
    const all = () => ({
      pairs: made(/CHILD_SA any\{\d+\} established/g),
      phase1: made(/IKE_SA any\[\d+\] established/g),
    });
    const before = all();
    const now = () => ({ pairs: all().pairs - before.pairs, phase1: all().phase1 - before.phase1 });
    for (let rounds = 0; rounds < 4 || now().pairs < least.pairs || now().phase1 < least.phase1; rounds++) {
      assert.ok(rounds < MOST_ROUNDS, `new keys: ${JSON.stringify(now())}`);
      await losslessPing(lab.ours, inner.local, { count: 100, interval: 0.02 });
    }
    await transfer(lab.server, ipv4?.address ?? '', FEW_BYTES);
    await endsInOrder(client);
  });
}

test('a server that dies without a word is noticed, and the next call comes up once it is back', async (t) => {
  if (!isPossible(t)) return;
  await serve();
  const client = lab.dial({ keepalive: { interval: 1_000, timeout: 4_000 } });
  await saidOf<Up>(client, 'up');
  const mend = await lab.cutOff(server);
  assert.equal((await saidOf<{ cause: string }>(client, 'closed')).cause, 'lost');
  await client.stop();
  await mend();
  await lab.server.exec(
    'kill -KILL $(pidof xl2tpd pppd); stop_charon KILL; ip xfrm state flush; ip xfrm policy flush; block',
  );
  await serve();
  const again = lab.dial();
  await saidOf<Up>(again, 'up');
  await answers();
  await lab.server.exec('stop');
  assert.equal((await saidOf<{ cause: string }>(again, 'closed')).cause, 'peer');
});
