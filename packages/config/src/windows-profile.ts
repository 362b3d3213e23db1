/** The PowerShell script that sets up an L2TP/IPsec connection of Windows (7 with PowerShell 3, to 11), certificates included. */
import type { L2tpProfile, PortableAuth } from './l2tp-profile.ts';

/**
 * The script's text, with line ends as Windows has them. It asks for what the profile leaves out, and runs again without harm.
 *
 * All of it is printable ASCII, whatever the profile says: Windows PowerShell 5.1 reads a script without a byte order mark in the code page of
 * the system, where other bytes are other letters, some of them quotes. Windows keeps no user name in a connection: it asks at the first dial.
 */
export function printWindowsProfile(profile: L2tpProfile<PortableAuth>): string {
  const { name, server, machineAuth, redirect } = profile;
  const lines = [
    '# Sets up a VPN connection. Run it in an elevated PowerShell:',
    '#   powershell -ExecutionPolicy Bypass -File THIS.ps1 [-ServerBehindNat]',
    '#Requires -RunAsAdministrator',
    'param([switch] $ServerBehindNat)',
    "$ErrorActionPreference = 'Stop'",
    `$name = ${quote(name)}`,
    `$server = ${quote(server)}`,
    ...machineAuthLines(machineAuth),
    'Get-VpnConnection -Name $name -ErrorAction SilentlyContinue | Remove-VpnConnection -Force',
    `Add-VpnConnection -Name $name -ServerAddress $server -TunnelType L2tp ${machineAuth.kind === 'psk' ? '-L2tpPsk $psk ' : ''}\``,
    `  -AuthenticationMethod MSChapv2 -EncryptionLevel Required -RememberCredential${redirect ? '' : ' -SplitTunneling'} -Force`,
    '# Windows gives up on servers behind NAT unless it is told otherwise; it reads this value when it starts.',
    "$agent = 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent'",
    "$value = 'AssumeUDPEncapsulationContextOnSendRule'",
    'if ($ServerBehindNat) {',
    '  New-ItemProperty -Path $agent -Name $value -PropertyType DWord -Value 2 -Force | Out-Null',
    "  Write-Host 'Restart Windows before you connect.'",
    '}',
    ...(profile.username === undefined ? [] : [`Write-Host 'Sign in as' ${quote(profile.username)}`]),
    'Write-Host "Done. Connect with: rasdial ""$name"" USER PASSWORD, or in the network menu."',
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

function machineAuthLines(machineAuth: PortableAuth): string[] {
  if (machineAuth.kind === 'psk') {
    const { psk } = machineAuth;
    return [psk === undefined ? "$psk = Read-Host 'Shared secret'" : `$psk = ${quote(Buffer.from(psk).toString())}`];
  }
  const { pkcs12, ca } = machineAuth;
  const password =
    machineAuth.password === undefined
      ? "Read-Host -AsSecureString 'Password of the certificate file'"
      : `ConvertTo-SecureString -AsPlainText -Force ${quote(machineAuth.password)}`;
  return [
    "$file = Join-Path $env:TEMP ([System.IO.Path]::GetRandomFileName() + '.pfx')",
    `$password = ${password}`,
    'try {',
    `  [System.IO.File]::WriteAllBytes($file, [Convert]::FromBase64String('${base64(pkcs12)}'))`,
    '  # The machine proves itself, so the key goes to the machine and not to the user.',
    '  Import-PfxCertificate -FilePath $file -Password $password -CertStoreLocation Cert:\\LocalMachine\\My | Out-Null',
    '} finally { Remove-Item $file -ErrorAction SilentlyContinue }',
    ...(ca === undefined
      ? []
      : [
          `$ca = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2(,[Convert]::FromBase64String('${base64(ca)}'))`,
          "$store = New-Object System.Security.Cryptography.X509Certificates.X509Store('Root', 'LocalMachine')",
          "$store.Open('ReadWrite'); $store.Add($ca); $store.Close()",
        ]),
  ];
}

/** An expression of PowerShell for the text: single quotes, doubled inside, and by number what is not printable ASCII. */
function quote(text: string): string {
  const parts = text.match(/[\x20-\x7e]+|[^\x20-\x7e]/g) ?? [];
  if (parts.every(isPlain)) return literal(text);
  // A text in front makes + join what follows, where a number or a letter might add.
  const first = parts[0] !== undefined && isPlain(parts[0]) ? [] : [literal('')];
  return `(${[...first, ...parts.map((part) => (isPlain(part) ? literal(part) : letter(part)))].join(' + ')})`;
}

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** One unit of UTF-16, as .NET has them. */
function letter(unit: string): string {
  return `[char]0x${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
