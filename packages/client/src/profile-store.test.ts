import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkName, listProfiles, loadProfile, readProfile, removeProfile, storeProfile } from './profile-store.ts';

const directory = mkdtempSync(join(tmpdir(), 'cv-client-'));
const profiles = join(directory, 'profiles');
after(() => rmSync(directory, { recursive: true }));

const text = `client
dev tun
remote vpn.example.com 1194 udp
remote-cert-tls server
ca ca.crt
auth-user-pass login.txt
up /bin/evil
`;
const file = join(directory, 'office.ovpn');
writeFileSync(file, text);

test('an imported profile holds what it named, and is for its owner alone', async () => {
  writeFileSync(join(directory, 'ca.crt'), 'THE CA\n');
  const loaded = await readProfile(file);
  assert.equal(loaded.name, 'office');
  assert.match(loaded.warnings.join(), /up: .*no program/);
  const stored = await storeProfile(profiles, loaded, false);
  assert.equal(statSync(stored).mode & 0o777, 0o600);
  rmSync(join(directory, 'ca.crt'));
  const { profile } = await loadProfile(profiles, 'office');
  assert.match(profile.print(), /^<ca>\nTHE CA\n<\/ca>$/m);
  const credentials = { username: undefined, password: undefined, file: join(directory, 'login.txt') };
  assert.deepEqual(profile.needs.credentials, credentials, 'a password is not copied');
  assert.deepEqual(await listProfiles(profiles), ['office']);
});

test('a profile of that name is replaced only when asked to', async () => {
  const loaded = await loadProfile(profiles, 'office');
  await assert.rejects(storeProfile(profiles, loaded, false), { code: 'CULVERT_CLIENT_PROFILE_EXISTS' });
  await storeProfile(profiles, loaded, true);
});

test('a file that the profile names and that is not there is told by its path', async () => {
  await assert.rejects(readProfile(file), { code: 'CULVERT_CLIENT_PROFILE', message: /ca\.crt cannot be read/ });
});

test('all mistakes of a profile are told at once, with their lines', async () => {
  const bad = join(directory, 'bad.ovpn');
  writeFileSync(bad, 'client\nremote vpn.example.com 99999999\ndev tap\n');
  await assert.rejects(readProfile(bad), { exitCode: 3, message: /bad\.ovpn:2[\s\S]*bad\.ovpn:3/ });
});

test('a name that is no file name is refused', () => {
  for (const name of ['', '../x', 'a/b', '.hidden', 'x'.repeat(41), 'a b']) assert.throws(() => checkName(name));
  assert.equal(checkName('office-2.berlin'), 'office-2.berlin');
});

test('a profile that is not there is told together with those that are', async () => {
  await assert.rejects(loadProfile(profiles, 'home'), { code: 'CULVERT_CLIENT_NO_PROFILE', message: /home .*office/ });
  await removeProfile(profiles, 'office');
  await assert.rejects(removeProfile(profiles, 'office'), { code: 'CULVERT_CLIENT_NO_PROFILE' });
});
