/** Phase 1 by certificates over real sockets: who is believed, and who is not. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  enterFreshNamespace,
  eventually,
  type Identity,
  type IssueOptions,
  nullLogger,
  pem,
  TestCa,
} from '@culvert/testkit';
import { L2tpLab } from '../../test/l2tp-lab.ts';
import { gateway, laptop } from '../../test/pptp-lab.ts';
import { createCredentials } from './credentials.ts';
import type { L2tpIpsecCertificate } from './options.ts';

const folder = mkdtempSync(join(tmpdir(), 'culvert-l2tp-'));
after(() => rmSync(folder, { recursive: true }));
const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

let ca: TestCa;
let server: L2tpIpsecCertificate;
before(async () => {
  ca = await TestCa.create(join(folder, 'ca'));
  server = await certificateOf('vpn', { role: 'server', dnsName: 'vpn.example.org' });
});

async function certificateOf(name: string, options: IssueOptions, from = ca): Promise<L2tpIpsecCertificate> {
  return filesOf(await from.issue(name, options), from);
}

function filesOf({ certificate, key }: Identity, from = ca): L2tpIpsecCertificate {
  return { certificate: pem(certificate), privateKey: pem(key), ca: pem(from.certificate), crl: pem(from.crl) };
}

const proof = (certificate: L2tpIpsecCertificate, serverName?: string) =>
  ({ kind: 'certificate', ...certificate, ...(serverName !== undefined && { serverName }) }) as const;

for (const kind of ['ECDSA', 'RSA']) {
  test(`both ends prove themselves by ${kind}`, { skip }, async () => {
    const key = kind === 'RSA' ? ({ key: 'rsa' } as const) : {};
    const certificate = await certificateOf(`gate${kind}`, { role: 'server', dnsName: 'gate.example.org', ...key });
    await using lab = await L2tpLab.open({ certificate, presharedKeys: [] });
    const alice = await certificateOf(`alice${kind}`, { role: 'client', ...key });
    const { link } = await lab.dial({ proof: proof(alice, 'gate.example.org') });
    assert.match(link.facts['ike'] ?? '', kind === 'RSA' ? /rsa-signature/ : /ecdsa-256/);
    assert.equal(link.facts['peer'], `CN=gate${kind}`);
    assert.equal(lab.accepted[0]?.link.facts['peer'], `CN=alice${kind}`);
    assert.equal(lab.admission.claims[0]?.certificate, undefined, "it is the machine's and not the user's");
    assert.equal(lab.admission.claims[0]?.peerInfo.get('identity'), `CN=alice${kind}`);
  });
}

test('a long chain of certificates comes in one datagram from who knows no fragments of IKE', { skip }, async () => {
  await using lab = await L2tpLab.open({ certificate: withLongChain(server), presharedKeys: [] });
  const { ike, wire, through } = await lab.taps();
  ike.change = withoutFragmentation;
  const bertha = withLongChain(await certificateOf('bertha', { role: 'client' }));
  await lab.dial({ ...through, proof: proof(bertha) });
  for (const datagrams of [wire.seen, wire.answers])
    assert.ok(Math.max(...datagrams.map(({ length }) => length)) > 2_048, 'in one');
});

/** Of more than 2 KiB. */
function withLongChain(of: L2tpIpsecCertificate): L2tpIpsecCertificate {
  return { ...of, certificate: [of.certificate, ...new Array(6).fill(of.ca)].join('\n') };
}

/** An end that does not say that it takes fragments gets none. Vendor IDs are not protected. */
function withoutFragmentation(datagram: Buffer): Buffer {
  const at = datagram.indexOf('4048b7d56ebce88525e7de7f00d6c2d3', 'hex');
  if (at < 0) return datagram;
  const changed = Buffer.from(datagram);
  changed[at] = 0;
  return changed;
}

test('a client whose certificate has alternative names and no subject is called by these', { skip }, async () => {
  const [certificate, key] = ['nameless.crt', 'nameless.key'].map((name) => join(folder, name)) as [string, string];
  const from = ['-config', join(ca.folder, 'openssl.cnf'), '-extensions', 'client', '-CA', ca.certificate];
  const keys = ['-CAkey', join(ca.folder, 'ca.key'), '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['-subj', '/', '-addext', 'subjectAltName=critical,DNS:dora.example.org'];
  const to = ['-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', ...from, ...keys, ...names, ...to], { stdio: 'ignore' });
  await using lab = await L2tpLab.open({ certificate: server, presharedKeys: [] });
  await lab.dial({ proof: proof(filesOf({ name: 'nameless', certificate, key })) });
  assert.equal(lab.accepted[0]?.link.facts['peer'], 'DNS:dora.example.org');
});

test('a server with another name, or with the certificate of a client, is refused', { skip }, async () => {
  await using lab = await L2tpLab.open({ certificate: server });
  const alice = await certificateOf('anna', { role: 'client' });
  await assert.rejects(lab.dial({ proof: proof(alice, 'other.example.org') }), {
    code: 'CULVERT_TRANSPORT_REFUSED',
    message: /not for other\.example\.org: DNS:vpn\.example\.org/,
  });
  const mallory = await certificateOf('mallory', { role: 'client', dnsName: 'vpn.example.org' });
  await using false_ = await L2tpLab.open({ certificate: mallory });
  await assert.rejects(false_.dial({ proof: proof(alice, 'vpn.example.org') }), { code: 'CULVERT_TRANSPORT_REFUSED' });
});

for (const usage of ['1.3.6.1.5.5.8.2.2', '2.5.29.37.0', 'none']) {
  test(`certificates that others issue for IPsec prove both ends: extended key usage ${usage}`, { skip }, async () => {
    const [certificate, machine] = [
      await certificateOf(`gate-${usage}`, { role: 'server', dnsName: 'gate.example.org', usage }),
      await certificateOf(`machine-${usage}`, { role: 'client', usage }),
    ];
    await using lab = await L2tpLab.open({ certificate, presharedKeys: [] });
    await lab.dial({ proof: proof(machine, 'gate.example.org') });
    assert.equal(lab.accepted[0]?.link.facts['peer'], `CN=machine-${usage}`);
  });
}

test('a client of another authority, and a revoked one, are refused, and the listener knows why', {
  skip,
}, async () => {
  const foreign = await TestCa.create(join(folder, 'foreign'), 'Foreign CA');
  const eve = await certificateOf('eve', { role: 'client' }, foreign);
  const bob = await ca.issue('bob', { role: 'client' });
  await ca.revoke(bob);
  for (const [client, why] of [
    [{ ...eve, ca: pem(ca.certificate) }, /is not signed by|issuer|trust/i],
    [filesOf(bob), /revoked/],
  ] as const) {
    await using lab = await L2tpLab.open({ certificate: { ...server, crl: pem(ca.crl) } });
    await assert.rejects(lab.dial({ proof: proof(client) }), { code: 'CULVERT_TRANSPORT_REFUSED' });
    const refused = await eventually('the refusal', () => lab.events.find(({ kind }) => kind === 'refused'));
    assert.match(refused.kind === 'refused' ? refused.reason : '', why);
    assert.equal(lab.admission.claims.length, 0);
  }
});

test('what a peer calls itself must be what its certificate says, and may be anything', { skip }, async () => {
  const log = nullLogger;
  const [ours, theirs] = [
    createCredentials({ ...server, role: 'server', log }),
    createCredentials({
      ...(await certificateOf('carol', { role: 'client', dnsName: 'carol.example.org' })),
      role: 'client',
      log,
    }),
  ];
  try {
    const hash = new Uint8Array(32);
    const { chain, method, subject } = theirs.own;
    const signature = theirs.sign({ kind: 'sign', id: 1, method, hash }) ?? new Uint8Array(0);
    const claim = (type: number, data: Uint8Array, over = hash) => {
      const identity = { type, protocol: 0, port: 0, data };
      return ours.verify({ kind: 'verify', id: 1, method, hash: over, signature, identity, certificates: chain });
    };
    assert.equal(claim(9, subject), true);
    assert.equal(claim(2, Buffer.from('carol.example.org')), true);
    assert.match(String(claim(9, subject, new Uint8Array(32).fill(1))), /does not have the key/);
    const names = [
      '',
      'alice.example.org',
      '*.example.org',
      '\u0000',
      'a'.repeat(5_000),
      '-',
      'carol.example.org\u0000',
    ];
    for (const name of names.map((text) => Buffer.from(text))) {
      for (let type = 0; type < 16; type++) assert.match(String(claim(type, name)), /calls itself/, `${type} ${name}`);
    }
  } finally {
    ours.close();
    theirs.close();
  }
});
