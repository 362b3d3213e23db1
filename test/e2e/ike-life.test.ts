/** The life of our SAs with strongSwan: refusals, NAT, new keys, silence, restarts. The hosts are drawn in ike/lab.ts. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, type TestContext, test } from 'node:test';
import { enterFreshNamespace, eventually, labIsPossible, missingForLab } from '@culvert/testkit';
import { createCertificates } from './ike/certificates.ts';
import type { IkeEnd, IkeEndOptions } from './ike/ike-end.ts';
import { charon, IkeLab, labPrograms, presharedKey } from './ike/lab.ts';
import { type Connection, configure, install } from './ike/swanctl.ts';

const skip = enterFreshNamespace();

let lab: IkeLab;
before(async () => {
  if (skip === false && missingForLab(labPrograms).length === 0) lab = await IkeLab.open();
  await lab?.charon.exec('start_charon');
});
after(() => lab?.[Symbol.asyncDispose]());

/** Whether the lab is there; it is as it was once the test is over, its subtests too. */
function isPossible(t: TestContext): boolean {
  t.after(() => lab?.restore());
  return labIsPossible(t, labPrograms);
}

interface Bed {
  readonly end: IkeEnd;
  readonly name: string;
  /** As charon lists them. */
  sas(): Promise<string>;
  calls(): Promise<string>;
}

const usual = { phase1: 'aes256-sha256-ecp256', phase2: 'aes256-sha256' };

type BedOptions = readonly [Partial<Connection>?, Partial<IkeEndOptions>?];

async function bed(connection: Partial<Connection> = {}, options: Partial<IkeEndOptions> = {}): Promise<Bed> {
  const [made] = await beds([[connection, options]]);
  return made as Bed;
}

/** A connection of charon's each, with an end of ours. */
async function beds(list: readonly BedOptions[], key = presharedKey): Promise<Bed[]> {
  const made = list.map(([connection = {}, options = {}]) => {
    const address = options.address ?? lab.address();
    const name = `with-${address.replaceAll(/[.:]/g, '-')}`;
    return {
      name,
      end: lab.end({ ...options, address }),
      connection: { name, local: charon.address, remote: address, ...usual, ...connection },
    };
  });
  configure(
    lab.charon,
    made.map(({ connection }) => connection),
    key,
  );
  await lab.charon.exec('load');
  return made.map(({ name, end }) => ({ name, end, sas: () => sasOf(name), calls: () => calls(name, end) }));
}

function sasOf(name: string): Promise<string> {
  return lab.charon.exec(`swanctl --list-sas --ike ${name}`);
}

/** Charon's call; both sides of the story when it fails. */
async function calls(name: string, end: IkeEnd): Promise<string> {
  try {
    return await lab.charon.exec(`initiate ${name}`);
  } catch (error) {
    throw new Error(`${(error as Error).message}${end.describe()}`, { cause: error });
  }
}

/** A child that carries echoes. */
async function carries(end: IkeEnd, count = 1): Promise<number> {
  await end.next('child-ready', count);
  const { child } = await end.next('child-created', count);
  for (const size of [1, 1_300]) await end.echo(child, size);
  return child;
}

const weak: readonly Partial<Connection>[] = [
  { phase1: '3des-sha256-modp2048' },
  { phase1: 'aes256-sha256-modp1536' },
  { phase1: 'aes128-sha1-modp1024' },
  { phase2: '3des-sha1' },
  { phase2: 'aes256-sha256-modp1024' },
];

test('what is weak is refused without the switch, both ways', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const rows = await beds(weak.map((proposals) => [proposals]));
  const tried = rows.map(async ({ end, calls: call }, n) => {
    const about = JSON.stringify(weak[n]);
    await assert.rejects(call(), /NO_PROPOSAL|no proposal/i, about);
    end.connect(charon.address);
    const [event] = await eventually(`${about} fails`, () => {
      const failed = [...end.of('closed'), ...end.of('child-failed')];
      return failed.length > 0 && failed;
    });
    assert.equal(event?.code, 'no-proposal', `${about}: ${end.describe()}`);
    assert.equal(end.of('child-created').length, 0, `${about}: ${end.describe()}`);
  });
  await Promise.all(tried);
});

test('a wrong pre-shared key makes nothing, and we say so', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const [{ end, calls } = assert.fail()] = await beds([[{}, { limits: { negotiation: 8_000 } }]], 'another key');
  end.connect(charon.address);
  const closed = await end.next('closed');
  assert.equal(closed.code, 'wrong-key');
  await assert.rejects(calls());
  assert.equal(end.of('established').length, 0, end.describe());
  assert.equal((await end.next('closed', 2)).code, 'wrong-key', 'also of its call');
});

/** So long that a message with the certificate goes in several fragments. */
const longNames = Array.from({ length: 60 }, (_, n) => `a-rather-long-name-of-host-${n}.example`);

for (const [kind, names] of [
  ['rsa-3072', []],
  ['rsa-3072', longNames],
  ['ec-p256', []],
  ['ec-p384', longNames],
] as const) {
  test(`certificates: ${kind}, ${names.length} names in each, both ways`, { skip }, async (t) => {
    if (!isPossible(t)) return;
    const certificates = await createCertificates(lab.folder, kind, names);
    const name = `${kind}-${names.length}`;
    install(lab.charon, name, certificates);
    for (const weCall of [true, false]) {
      const { end, calls } = await bed({ certificates: name }, { ...certificates.ours, presharedKey: undefined });
      if (weCall) end.connect(charon.address, { authentication: 'certificate' });
      else await calls();
      await carries(end);
      const { authentication, suite, certificates: theirs } = await end.next('established');
      assert.equal(authentication, 'certificate');
      assert.equal(suite.authentication, certificates.ours.certificate?.method);
      assert.equal(new X509Certificate(theirs[0] ?? '').subject, `CN=${name}.example`);
    }
  });
}

test('a certificate of another authority is refused, by whichever side', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const [ours, others] = [
    await createCertificates(lab.folder, 'ec-p256', ['ours.example']),
    await createCertificates(lab.folder, 'ec-p256', ['others.example', 'other.example']),
  ];
  install(lab.charon, 'others', others);
  const { end, calls } = await bed({ certificates: 'others' }, { ...ours.ours, presharedKey: undefined });
  end.connect(charon.address, { authentication: 'certificate' });
  assert.equal((await end.next('closed')).code, 'authentication');
  await assert.rejects(calls());
  const refused = await end.next('closed', 2);
  assert.equal(refused.reason.detail, 'the certificate is of another authority');
  assert.equal(end.of('established').length, 0, end.describe());
});

test('charon encapsulates although there is no NAT, both ways', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const called = await bed({ options: 'encap = yes' });
  called.end.connect(charon.address);
  await carries(called.end);
  assert.equal(called.end.arrived.esp, 0);
  const calling = await bed({ options: 'encap = yes' });
  await calling.calls();
  await carries(calling.end);
  assert.equal(calling.end.arrived.esp, 0);
});

test('over IPv6, as protocol 50 and in UDP, both ways', { skip }, async (t) => {
  if (!isPossible(t)) return;
  for (const forceEncapsulation of [false, true]) {
    const called = await bed({ local: charon.ipv6 }, { address: lab.address6(), forceEncapsulation });
    called.end.connect(charon.ipv6);
    await carries(called.end);
    const calling = await bed({ local: charon.ipv6 }, { address: lab.address6(), forceEncapsulation });
    await calling.calls();
    await carries(calling.end);
    assert.equal(calling.end.of('child-created')[0]?.sa.udpEncapsulated, forceEncapsulation);
  }
});

test('HMAC-SHA-256 cut to 96 bits, with the switch', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const { end, calls } = await bed({ child: 'sha256_96 = yes' }, { algorithms: { truncatedSha256: true } });
  await calls();
  await carries(end);
});

test('proposals that charon makes by default', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const called = await bed({ phase1: 'default', phase2: 'default' });
  called.end.connect(charon.address);
  await carries(called.end);
  const calling = await bed({ phase1: 'default', phase2: 'default' });
  await calling.calls();
  await carries(calling.end);
});

for (const who of ['ours', 'charon', 'both'] as const) {
  test(`NAT before ${who}, both ways`, { skip }, async (t) => {
    if (!isPossible(t)) return;
    for (const weCall of [true, false]) {
      const local = who === 'ours' ? charon.address : charon.second;
      const end = lab.address();
      const {
        ours: remote,
        charon: reach,
        show,
      } = await lab.hide(end, { ours: who !== 'charon', charon: who !== 'ours' });
      const { end: ike, calls } = await bed({ local, remote }, { address: end });
      if (weCall) ike.connect(reach);
      else await calls();
      await carries(ike);
      const established = await ike.next('established');
      assert.equal(established.localBehindNat, who !== 'charon');
      assert.equal(established.remoteBehindNat, who !== 'ours');
      await show();
    }
  });
}

test('new keys of phase 2 under traffic, by whoever called', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const [called, calling] = (await beds([
    [{ child: 'rekey_time = 0' }, { lifetimes: { phase2Seconds: 8 } }],
    [{ child: 'rekey_time = 2s\nrand_time = 0s\nlife_time = 20s' }],
  ])) as [Bed, Bed];
  await inBoth(called, calling, async (end) => {
    const first = await carries(end);
    while (end.of('child-created').length < 3) await end.echo(first);
    // charon's old one ends with its life.
    await end.next('child-deleted', 1, 60_000);
    assert.equal(end.of('established').length, 1);
  });
});

test('new keys of phase 1 under traffic, by whoever called: children live on', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const [called, calling] = (await beds([
    [{ options: 'reauth_time = 0\nrekey_time = 0' }, { lifetimes: { phase1Seconds: 8 } }],
    [{ options: 'reauth_time = 3s\nrand_time = 0s\nover_time = 20s' }],
  ])) as [Bed, Bed];
  await inBoth(called, calling, async (end) => {
    const first = await carries(end);
    while (end.of('established').length < 3) await end.echo(first);
    await end.echo(first);
    assert.equal(end.of('child-created').length, 1, end.describe());
  });
});

/** Charon is called by the one and calls the other, at once. */
async function inBoth(called: Bed, calling: Bed, use: (end: IkeEnd) => Promise<void>): Promise<void> {
  called.end.connect(charon.address);
  await Promise.all([use(called.end), calling.calls().then(() => use(calling.end))]);
  for (const { end } of [called, calling])
    assert.deepEqual(end.refused, { unknown: 0, cipher: 0, selectors: 0 }, end.describe());
}

test('goodbyes: of ours, of charon, of a child and of all', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const ours = await bed();
  const ikeSa = ours.end.connect(charon.address);
  await carries(ours.end);
  ours.end.act((ike) => ike.close(ikeSa));
  await eventually('charon has none', async () => (await ours.sas()).trim() === '');
  const child = await bed();
  child.end.connect(charon.address);
  await carries(child.end);
  await lab.charon.exec(`swanctl --terminate --child ${child.name}`);
  assert.equal((await child.end.next('child-deleted')).by, 'peer');
  assert.equal(child.end.of('closed').length, 0, 'phase 1 stands');
  await lab.charon.exec(`swanctl --terminate --ike ${child.name}`);
  assert.equal((await child.end.next('closed')).code, 'peer-deleted');
});

test('dead peer detection: each answers, and each notices the death of the other', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const { end } = await bed(
    { options: 'dpd_delay = 1s\ndpd_timeout = 4s', child: 'dpd_action = clear' },
    { deadPeerDetection: { idle: 1_000, interval: 500, questions: 4 } },
  );
  end.connect(charon.address);
  await carries(end);
  const { ike } = end.arrived;
  await eventually('several questions and answers', () => end.arrived.ike > ike + 6);
  assert.equal(end.of('closed').length, 0, end.describe());
  await lab.charon.exec('kill -STOP $(pidof charon)');
  try {
    assert.equal((await end.next('closed')).code, 'dead-peer');
  } finally {
    await lab.charon.exec('kill -CONT $(pidof charon)');
  }
  const dying = await bed({ options: 'dpd_delay = 1s\ndpd_timeout = 4s', child: 'dpd_action = clear' });
  dying.end.connect(charon.address);
  await carries(dying.end);
  dying.end[Symbol.dispose]();
  await eventually('charon has none', async () => (await dying.sas()).trim() === '', 20_000);
});

test('restarts: of charon, killed, and of ours, forgotten', { skip }, async (t) => {
  if (!isPossible(t)) return;
  const { end, calls } = await bed();
  await calls();
  await carries(end);
  await lab.charon.exec('stop_charon KILL; ip xfrm state flush; ip xfrm policy flush; start_charon');
  await calls();
  await carries(end, 2);
  end[Symbol.dispose]();
  const again = lab.end({ address: end.address });
  again.connect(charon.address);
  await carries(again);
});
