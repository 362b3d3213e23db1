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
  assert.deepEqual(
    assigned(script),
    new Map([
      ['name', evil],
      ['server', office.server],
      ['psk', evil],
    ]),
  );
  assert.doesNotMatch(script.replaceAll(/'(?:[^']|'')*'/g, ''), /calc|Remove-Item|Recurse/);
});

test('letters beyond ASCII arrive in every code page, and none of them ends a text', () => {
  const name = 'B\u00fcro \u2018Espa\u00d1A\u2019 \u{1f512}';
  const psk = '\u00df$(calc)';
  const machineAuth = { kind: 'psk', psk: new Uint8Array(Buffer.from(psk)) } as const;
  const script = printWindowsProfile({ ...office, name, username: 'ren\u00e9', machineAuth });
  for (const byte of Buffer.from(script)) assert.ok(byte < 0x7f, `byte ${byte}`);
  assert.deepEqual(
    assigned(script),
    new Map([
      ['name', name],
      ['server', office.server],
      ['psk', psk],
    ]),
  );
  assert.match(script, /Write-Host 'Sign in as' \('ren' \+ \[char\]0x00e9\)\r\n/);
});

/** What the script assigns to variables at its start, as PowerShell reads it: texts in single quotes and letters by number, joined. */
function assigned(script: string): Map<string, string> {
  const found = new Map<string, string>();
  const part = /'(?:[^']|'')*'|\[char\]0x[0-9a-f]{4}/;
  for (const [, name = '', value = ''] of script.matchAll(/^\$(name|server|psk) = (.*)\r$/gm)) {
    const parts = new RegExp(`^\\(?(${part.source})( \\+ (${part.source}))*\\)?$`).test(value)
      ? value
      : assert.fail(value);
    const texts = parts.match(new RegExp(part.source, 'g')) ?? [];
    assert.ok(texts[0]?.startsWith("'"), 'what + joins begins with a text');
    found.set(name, texts.map(read).join(''));
  }
  return found;
}

function read(part: string): string {
  if (part.startsWith("'")) return part.slice(1, -1).replaceAll("''", "'");
  return String.fromCharCode(Number(part.slice('[char]'.length)));
}
