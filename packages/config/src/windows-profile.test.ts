import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printWindowsProfile } from './windows-profile.ts';

const office: Parameters<typeof printWindowsProfile>[0] = {
  name: 'Office',
  server: 'vpn.example.com',
  username: 'alice',
  password: undefined,
  machineAuth: { kind: 'psk', psk: new Uint8Array(Buffer.from('secret')) },
  redirect: true,
};

test('a connection with a shared secret', () => {
  const script = printWindowsProfile(office);
  assert.match(script, /\$psk = 'secret'\r\n/);
  assert.match(script, /Add-VpnConnection -Name \$name -ServerAddress \$server -TunnelType L2tp -L2tpPsk \$psk `\r\n/);
  assert.match(script, /-AuthenticationMethod MSChapv2 -EncryptionLevel Required -RememberCredential -Force\r\n/);
  assert.doesNotMatch(script, /[^\r]\n|Import-Pfx/);
  assert.match(printWindowsProfile({ ...office, redirect: false }), /-SplitTunneling -Force/);
});

test('a connection with a certificate brings key and CA to the machine, and asks for the password', () => {
  const machineAuth = {
    kind: 'pkcs12',
    pkcs12: Uint8Array.of(1, 2, 3),
    password: undefined,
    ca: Uint8Array.of(4, 5),
  } as const;
  const script = printWindowsProfile({ ...office, machineAuth });
  assert.match(script, /Read-Host -AsSecureString/);
  assert.match(script, /FromBase64String\('AQID'\)/);
  assert.match(script, /X509Certificate2\(,\[Convert\]::FromBase64String\('BAU='\)\)/);
  assert.match(script, /Cert:\\LocalMachine\\My/);
  assert.doesNotMatch(script, /L2tpPsk/);
});

test('nothing in a name, an address or a secret is a command', () => {
  const evil = "'; Remove-Item C:\\ -Recurse # \u2019; calc\r\ncalc";
  const script = printWindowsProfile({
    ...office,
    name: evil,
    username: evil,
    machineAuth: { kind: 'psk', psk: new Uint8Array(Buffer.from(evil)) },
  });
  const quoted = "'''; Remove-Item C:\\ -Recurse # \u2019\u2019; calc\r\ncalc'";
  assert.ok(script.includes(`$name = ${quoted}`));
  assert.ok(script.includes(`$psk = ${quoted}`));
  // In comments it is one line.
  for (const line of script.replaceAll(quoted, '').split('\r\n')) {
    assert.ok(line.startsWith('#') || !line.includes('calc'), line);
  }
});
