/** The PowerShell script that sets up an L2TP/IPsec connection of Windows (7 with PowerShell 3, to 11), certificates included. */
import type { L2tpProfile, PortableAuth } from './l2tp-profile.ts';

/**
 * The script's text, with line ends as Windows has them. It asks for what the profile leaves out, and runs again without harm.
 *
 * Windows keeps no user name in a connection: it asks at the first dial.
 */
export function printWindowsProfile(profile: L2tpProfile<PortableAuth>): string {
  const { name, server, machineAuth, redirect } = profile;
  const lines = [
    `# Sets up the VPN connection ${oneLine(name)}. Run it in an elevated PowerShell:`,
    '#   powershell -ExecutionPolicy Bypass -File THIS.ps1 [-ServerBehindNat]',
    ...(profile.username === undefined ? [] : [`# Sign in as ${oneLine(profile.username)}.`]),
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

/** A string that PowerShell takes as it is: single quotes, doubled inside (typographic ones count as quotes too). */
function quote(text: string): string {
  return `'${text.replace(/['\u2018-\u201b]/g, '$&$&')}'`;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\u2028\u2029]+/g, ' ');
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
