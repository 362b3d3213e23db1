/** What `transports.l2tpIpsec` means, and the files that it names. */
import type { X509Certificate } from 'node:crypto';
import { checkCertificates, checkLabel, checkPrivateKey, commonName } from './check-certificates.ts';
import type { OpenFile } from './check-files.ts';
import { doubt, type Finding, mistake } from './finding.ts';
import type { GatewayConfig } from './gateway-schema.ts';
import { presharedKeyMistake, presharedKeyOf, presharedKeyWeakness } from './preshared-key.ts';
import type { KeyPath } from './yaml-source.ts';

const section: KeyPath = ['transports', 'l2tpIpsec'];
const takenPorts: readonly number[] = [500, 4500];
const everyIpv4 = '0.0.0.0';
const everyIpv6 = '::';

export function checkL2tpIpsec(config: GatewayConfig): Finding[] {
  const { l2tpIpsec } = config.transports;
  if (!l2tpIpsec.enabled) return [];
  return [
    ...checkProof(config),
    ...checkUsers(config),
    ...checkPlaces(config),
    ...(l2tpIpsec.acceptWeak
      ? [
          doubt(
            [...section, 'acceptWeak'],
            'true',
            'false, unless devices need it: who records such a session may read it one day',
          ),
        ]
      : []),
  ];
}

/** How machines prove themselves: some way, and one key for each network. */
function checkProof({ transports: { l2tpIpsec } }: GatewayConfig): Finding[] {
  const { presharedKey, presharedKeys, certificate } = l2tpIpsec;
  if (presharedKey === undefined && presharedKeys.length === 0 && certificate === undefined) {
    return [mistake(section, 'neither key nor certificate', 'presharedKey, presharedKeys or certificate')];
  }
  return presharedKeys.flatMap(({ network }, i) => {
    const path = [...section, 'presharedKeys', i, 'network'];
    const first = presharedKeys.findIndex((other) => other.network === network);
    const found = `"${network}"`;
    if (first < i) return [mistake(path, found, `each network once; presharedKeys[${first}] is it too`)];
    if (presharedKey === undefined || !network.endsWith('/0')) return [];
    return [doubt(path, found, 'networks that are not everybody: presharedKey is never used for this IP version')];
  });
}

/** IPsec's certificates are machines': users prove a password and nothing else. */
function checkUsers({ auth, transports: { l2tpIpsec } }: GatewayConfig): Finding[] {
  const findings: Finding[] = [];
  for (const [key, wrong, right] of [
    ['certificate', 'required', 'optional or none'],
    ['password', 'none', 'required or optional'],
  ] as const) {
    if (auth[key] === wrong) {
      findings.push(
        mistake(['auth', key], `"${wrong}"`, `${right}: users of l2tpIpsec have a password and nothing else`),
      );
    }
  }
  if (
    l2tpIpsec.authentication.includes('pap') &&
    (l2tpIpsec.presharedKey ?? l2tpIpsec.presharedKeys[0]) !== undefined
  ) {
    const right =
      'mschapv2, or certificates alone: who has the key can pose as the gateway, and is shown the passwords';
    findings.push(doubt([...section, 'authentication'], 'pap beside a shared key', right));
  }
  const repeated = l2tpIpsec.authentication.findIndex((method, i, all) => all.indexOf(method) < i);
  if (repeated >= 0) {
    const path = [...section, 'authentication', repeated];
    findings.push(doubt(path, l2tpIpsec.authentication[repeated] ?? '', 'each method once'));
  }
  return findings;
}

function checkPlaces({ network, transports: { l2tpIpsec, openvpn } }: GatewayConfig): Finding[] {
  const findings: Finding[] = [];
  if (network.threads > 1) {
    const right = '1: L2TP/IPsec is carried by one thread';
    findings.push(mistake(['network', 'threads'], String(network.threads), right));
  }
  for (const [i, { address }] of l2tpIpsec.listen.entries()) {
    const first = l2tpIpsec.listen.findIndex((other) => meet(other.address ?? everyIpv4, address ?? everyIpv4));
    if (first >= i) continue;
    const right = `an address that listen[${first}] does not take already`;
    findings.push(mistake([...section, 'listen', i], address ?? 'every address', right));
  }
  for (const [i, { protocol, port, address }] of openvpn.listen.entries()) {
    if (protocol !== 'udp' || !takenPorts.includes(port)) continue;
    const theirs = address === undefined ? [everyIpv4, everyIpv6] : [address];
    if (!l2tpIpsec.listen.some((other) => theirs.some((each) => meet(other.address ?? everyIpv4, each)))) continue;
    const right = 'a port that l2tpIpsec does not need (500 and 4500)';
    findings.push(mistake(['transports', 'openvpn', 'listen', i], `udp port ${port}`, right));
  }
  return findings;
}

function meet(one: string, other: string): boolean {
  if (one.includes(':') !== other.includes(':')) return false;
  return one === other || [one, other].some((address) => address === everyIpv4 || address === everyIpv6);
}

export function checkL2tpIpsecFiles(
  config: GatewayConfig,
  open: OpenFile,
  nowMillis: number,
  findings: Finding[],
): void {
  const { l2tpIpsec } = config.transports;
  if (!l2tpIpsec.enabled) return;
  const { presharedKey, presharedKeys, certificate } = l2tpIpsec;
  if (presharedKey !== undefined) checkKey([...section, 'presharedKey'], presharedKey, open, findings);
  for (const [i, { file }] of presharedKeys.entries()) {
    checkKey([...section, 'presharedKeys', i, 'file'], file, open, findings);
  }
  const { tunnelSecret } = l2tpIpsec;
  if (tunnelSecret !== undefined) checkKey([...section, 'tunnelSecret'], tunnelSecret, open, findings);
  if (certificate === undefined) return;
  const at = (key: string): KeyPath => [...section, 'certificate', key];
  const ca = open(at('ca'), certificate.ca, false);
  if (ca !== undefined) checkCertificates(at('ca'), ca, nowMillis, findings);
  const own = open(at('certificate'), certificate.certificate, false);
  const [leaf] = own === undefined ? [] : checkCertificates(at('certificate'), own, nowMillis, findings);
  const key = open(at('privateKey'), certificate.privateKey, true);
  if (key !== undefined) checkPrivateKey(at('privateKey'), key, leaf, findings);
  if (leaf !== undefined) findings.push(...checkUse(at('certificate'), leaf));
  const crl = certificate.crl && open(at('crl'), certificate.crl, false);
  if (crl !== undefined) checkLabel(at('crl'), crl, '-----BEGIN X509 CRL-----', findings);
}

function checkKey(path: KeyPath, file: string, open: OpenFile, findings: Finding[]): void {
  const text = open(path, file, true);
  if (text === undefined) return;
  const key = presharedKeyOf(text);
  const wrong = presharedKeyMistake(text);
  if (wrong !== undefined) {
    findings.push(mistake(path, `${file} with ${wrong}`, 'a first line that is the key, of 8 characters or more'));
    return;
  }
  const weak = presharedKeyWeakness(key);
  if (weak !== undefined)
    findings.push(doubt(path, `${file} with ${weak}`, 'a long random key: openssl rand -base64 24'));
}

/** What Windows and macOS look for in a gateway's certificate. culvert-ca puts it there. */
function checkUse(path: KeyPath, leaf: X509Certificate): Finding[] {
  const uses = leaf.keyUsage ?? [];
  const who = commonName(leaf);
  const findings: Finding[] = [];
  if (!uses.includes('1.3.6.1.5.5.7.3.1') && !uses.includes('1.3.6.1.5.5.8.2.2')) {
    const right = 'extended key usage serverAuth or iKEIntermediate: Windows refuses it otherwise';
    findings.push(doubt(path, `${who} without either`, right));
  }
  if (leaf.subjectAltName === undefined) {
    const right = 'the name or address that clients dial, as subject alternative name: Windows and macOS look for it';
    findings.push(doubt(path, `${who} without any`, right));
  }
  if (leaf.publicKey.asymmetricKeyType !== 'rsa') {
    findings.push(
      doubt(path, `${who} with a key of curves`, 'an RSA key: Windows and macOS take no other for L2TP/IPsec'),
    );
  }
  return findings;
}
