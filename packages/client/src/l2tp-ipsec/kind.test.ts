import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Logger } from '@culvert/base';
import { parseNetworkManagerL2tp, printAppleProfile } from '@culvert/config';
import { makePkcs12 } from '@culvert/pki';
import { TestCa } from '@culvert/testkit';
import { loadProfile, readProfile, storeProfile } from '../profile-store.ts';
import { l2tpDialOptions } from './dialer.ts';

const quiet: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const directory = mkdtempSync(join(tmpdir(), 'cv-client-'));
const profiles = join(directory, 'profiles');
const read = (path: string) => readFileSync(path, 'utf8');
let ca: string;
let alice: { certificate: string; key: string };
before(async () => {
  const authority = await TestCa.create(join(directory, 'ca'));
  alice = await authority.issue('alice', { role: 'client' });
  ca = authority.certificate;
});
after(() => rmSync(directory, { recursive: true }));

const connection = (lines: string, secrets = 'ipsec-psk=secret') => `[connection]
id=Office
type=vpn

[vpn]
gateway=vpn.example.com
ipsec-enabled=yes
user=alice
service-type=org.freedesktop.NetworkManager.l2tp
${lines}

[vpn-secrets]
password=wallpaper engine
${secrets}
`;

/** Imports a text and gives the profile as it is loaded again. */
async function stored(name: string, text: string) {
  const file = join(directory, name);
  writeFileSync(file, text);
  const loaded = await readProfile(file);
  await storeProfile(profiles, loaded, true);
  return (await loadProfile(profiles, loaded.name)).profile;
}

const apple = {
  name: 'Office',
  server: 'vpn.example.com',
  username: 'alice',
  password: undefined,
  redirect: true,
  machineAuth: { kind: 'psk', psk: new Uint8Array(Buffer.from('secret')) },
} as const;

test('a connection of NetworkManager with a shared secret', async () => {
  const profile = await stored('office.nmconnection', connection(''));
  assert.equal(profile.kind, 'l2tp-ipsec');
  assert.equal(profile.insecurity, undefined);
  assert.deepEqual(profile.remotes, [{ host: 'vpn.example.com', port: 500, protocol: 'udp', family: undefined }]);
  assert.deepEqual(profile.needs, {
    credentials: { username: 'alice', password: 'wallpaper engine', file: undefined },
    challenge: undefined,
    passphrase: undefined,
    presharedKey: false,
  });
  assert.equal((await stored('ask.nmconnection', connection('', ''))).needs.presharedKey, true);
  const withTunnel = await stored(
    'tunnel.nmconnection',
    `${connection('')}\n[culvert]\ntunnel-secret=a secret of L2TP\n`,
  );
  assert.match(withTunnel.print(), /^tunnel-secret=a secret of L2TP$/m);
});

test('Apple’s profile is stored as a connection of NetworkManager, with its redirect', async () => {
  const profile = await stored('office.mobileconfig', printAppleProfile(apple));
  assert.equal(profile.kind, 'l2tp-ipsec');
  assert.deepEqual(profile.needs.credentials, { username: 'alice', password: undefined, file: undefined });
  assert.deepEqual(profile.network.redirect, { ipv4: true, ipv6: true });
  assert.match(profile.print(), /^ipsec-psk=0sc2VjcmV0$/m);
  const split = await stored('split.mobileconfig', printAppleProfile({ ...apple, redirect: false }));
  assert.deepEqual(split.network.redirect, { ipv4: false, ipv6: false });
});

test('certificates go inside, from PKCS#12 in Apple’s profile and from files that a connection names', async () => {
  const [certificate, privateKey] = [read(alice.certificate), read(alice.key)];
  const pkcs12 = makePkcs12({ certificate, privateKey, ca: read(ca), name: 'alice', password: 'opens it' });
  const machineAuth = { kind: 'pkcs12', pkcs12, password: 'opens it', ca: undefined } as const;
  const p12 = join(directory, 'alice.p12');
  writeFileSync(p12, pkcs12);
  const paths = (certificatePath: string, keyPath: string, caPath: string) =>
    `machine-auth-type=tls\nmachine-cert=${certificatePath}\nmachine-key=${keyPath}\nmachine-ca=${caPath}`;
  const texts = [
    await stored('apple.mobileconfig', printAppleProfile({ ...apple, machineAuth })),
    await stored('p12.nmconnection', connection(paths(p12, p12, p12), 'machine-certpass=opens it')),
    await stored('pem.nmconnection', connection(paths(alice.certificate, alice.key, ca), '')),
  ].map((profile) => {
    assert.equal(profile.needs.passphrase, undefined);
    return /^certificate=(.*)\nprivate-key=(.*)\nca=(.*)$/m.exec(profile.print())?.slice(1);
  });
  const [first] = texts;
  assert.match(first?.[0] ?? '', /^-----BEGIN CERTIFICATE-----\\n/);
  const der = (text: string | undefined) => text?.replaceAll('\\n', '').replace(/-----[A-Z ]+-----/g, '');
  for (const text of texts) assert.deepEqual(text?.map(der), first?.map(der));
  assert.equal(der(first?.[2]), der(read(ca).replaceAll('\n', '\\n')));
});

test('a file that is missing or is none of these is told', async () => {
  const text = (path: string) => `machine-auth-type=tls\nmachine-cert=${path}\nmachine-key=${path}\nmachine-ca=${ca}`;
  await assert.rejects(stored('a.nmconnection', connection(text('/nowhere.pem'))), {
    code: 'CULVERT_CLIENT_PROFILE',
    message: /\/nowhere\.pem cannot be read/,
  });
  await assert.rejects(stored('a.nmconnection', connection(text(alice.certificate))), {
    message: /alice\.crt holds no private key in PEM/,
  });
});

test('weak proposals need consent, which the stored profile keeps', async () => {
  const profile = await stored('weak.nmconnection', connection('ipsec-ike=3des-sha1-modp1024!'));
  assert.match(profile.insecurity?.why ?? '', /\(3des-sha1-modp1024\) are all by 3DES/);
  assert.equal(profile.insecurity?.accepted, false);
  writeFileSync(join(directory, 'accepted.nmconnection'), profile.accept().print());
  const { profile: accepted } = await readProfile(join(directory, 'accepted.nmconnection'));
  assert.equal(accepted.insecurity?.accepted, true);
  const secrets = { credentials: { username: 'alice', password: 'x' }, passphrase: undefined, presharedKey: undefined };
  accepted.createDialer({ secrets, log: quiet }).close();
  assert.throws(() => profile.createDialer({ secrets, log: quiet }), { code: 'CULVERT_CLIENT_INSECURE' });
});

test('a dialer is made only with what it needs', async () => {
  const profile = await stored('ask.nmconnection', connection('', ''));
  const secrets = { credentials: { username: 'alice', password: 'x' }, passphrase: undefined, presharedKey: '' };
  assert.throws(() => profile.createDialer({ secrets, log: quiet }), {
    code: 'CULVERT_CLIENT_CREDENTIALS',
    message: /shared secret is empty/,
  });
  profile.createDialer({ secrets: { ...secrets, presharedKey: 'secret' }, log: quiet }).close();
});

test('what a connection says goes into the dial', async () => {
  const dialOptions = (text: string) => {
    const { profile } = parseNetworkManagerL2tp(text, { file: 'office' });
    assert.ok(profile);
    const credentials = { username: 'alice', password: 'x' };
    return l2tpDialOptions(profile, { credentials, passphrase: undefined, presharedKey: undefined });
  };
  const unlisted = { phase1: undefined, esp: undefined, forwardSecrecy: undefined };
  assert.deepEqual(dialOptions(connection('')), {
    username: 'alice',
    password: 'x',
    ipv6: true,
    proof: { kind: 'pre-shared-key', key: new Uint8Array(Buffer.from('secret')) },
    weak: false,
    ...unlisted,
    authentication: ['mschapv2'],
    lifetimes: {},
  });
  const lists =
    'ipsec-ike=aes256-sha256-modp2048,3des-sha1-modp1024!\nipsec-esp=aes128-sha256_96-ecp256,aes256gcm16-ecp256';
  const algorithmsOf = (text: string) => {
    const { weak, phase1, esp, forwardSecrecy } = dialOptions(text);
    return { weak, phase1, esp, forwardSecrecy };
  };
  const good = { cipher: 'aes-cbc', keyBytes: 32, hash: 'sha2-256', group: 'modp2048' };
  const phase2 = {
    esp: [
      { encryption: 'aes-cbc', keyBytes: 16, integrity: 'hmac-sha2-256-96' },
      { encryption: 'aes-gcm-16', keyBytes: 32 },
    ],
    forwardSecrecy: 'ecp256',
  };
  assert.deepEqual(algorithmsOf(connection(lists)), { weak: false, phase1: [good], ...phase2 });
  const accepted = '\n[culvert]\naccept-insecure=true\n';
  const old = { cipher: '3des-cbc', keyBytes: 24, hash: 'sha1', group: 'modp1024' };
  assert.deepEqual(algorithmsOf(connection(lists) + accepted), { weak: true, phase1: [good, old], ...phase2 });
  const consented = algorithmsOf(connection('ipsec-ike=3des-sha1-modp1024!') + accepted);
  assert.deepEqual(consented, { ...unlisted, weak: true, phase1: [old] });
  const other = dialOptions(connection('ipsec-salifetime=10m\nrefuse-mschapv2=yes'));
  assert.deepEqual([other.authentication, other.lifetimes], [['pap'], { phase2Seconds: 600 }]);
  const paths = `machine-auth-type=tls\nmachine-cert=${alice.certificate}\nmachine-key=${alice.key}\nmachine-ca=${ca}`;
  for (const [lines, serverName] of [
    ['', 'vpn.example.com'],
    ['\nipsec-remote-id=@gateway.example', 'gateway.example'],
  ]) {
    const { proof } = dialOptions((await stored('named.nmconnection', connection(paths + lines))).print());
    assert.equal(proof.kind === 'certificate' && proof.serverName, serverName);
  }
});
