import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkFiles, type ReadInput } from './check-files.ts';
import { checkGatewayConfig } from './index.ts';
import { formatProblem } from './problem.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'culvert-config-'));
  const curve = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const use = ['-addext', 'extendedKeyUsage=1.3.6.1.5.5.8.2.2', '-addext', 'subjectAltName=DNS:vpn.test'];
  issue('good', ['rsa:2048'], use);
  issue('plain', curve, []);
  issue('nameless', curve, ['-subj', '/']);
});
after(() => rmSync(folder, { recursive: true }));

function issue(name: string, key: readonly string[], more: readonly string[]): void {
  const out = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)];
  const options = ['-newkey', ...key, '-nodes', '-days', '30', '-subj', `/CN=${name}`];
  execFileSync('openssl', ['req', '-x509', ...options, ...out, ...more], { stdio: 'pipe' });
}

const usual = 'auth: { certificate: optional, password: required }\n';
const random = 'qH8+bW2n7tZk0sVfYp4LrXcD9mEaUj3G\n';

/** Problems of a configuration with this section; `files` are the texts of the files that it names, mode 0600. */
function check(
  section: string,
  more = usual,
  files?: Readonly<Record<string, string | ReturnType<ReadInput>>>,
): string[] {
  const text = `${more}network: { ipv4: 10.88.0.0/24 }
tls: { ca: tls, certificate: tls, privateKey: tls }
transports: { openvpn: { wrap: none }, l2tpIpsec: { enabled: true, ${section} } }
`;
  const read: ReadInput = (path) => {
    const name = path.replace('/etc/culvert/', '');
    const own = /^(good|plain|nameless)\.(crt|key)$/.test(name);
    const file = files?.[name] ?? (own ? readFileSync(join(folder, name), 'utf8') : undefined);
    if (file === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' });
    return typeof file === 'string' ? { text: file, mode: 0o600 } : file;
  };
  const { problems } = checkGatewayConfig(text, '/etc/culvert/c.yaml', (config) =>
    files === undefined ? [] : checkFiles(config, read, Date.now()),
  );
  return problems
    .filter(({ key }) => !key.startsWith('tls.'))
    .map(formatProblem)
    .map((line) => line.replace(/^\S+: /, ''));
}

test('L2TP/IPsec is off by default; a key or a certificate turns it on', () => {
  const { config } = checkGatewayConfig(
    'network: { ipv4: 10.88.0.0/24 }\ntls: { ca: a, certificate: b, privateKey: c }\ntransports: { openvpn: { wrap: none } }\n',
    '/etc/culvert/c.yaml',
  );
  assert.deepEqual(config?.transports.l2tpIpsec, {
    ...{ enabled: false, listen: [{}], presharedKeys: [], authentication: ['mschapv2'] },
    ...{ forceEncapsulation: true, acceptWeak: false, truncatedSha256: false },
  });
  assert.deepEqual(check('presharedKey: psk'), []);
  assert.deepEqual(check('presharedKeys: [{ network: 198.51.100.0/24, file: psk }]'), []);
  assert.deepEqual(check('certificate: { ca: a, certificate: b, privateKey: c }'), []);
  assert.deepEqual(check('acceptWeak: false'), [
    'transports.l2tpIpsec: found neither key nor certificate, expected presharedKey, presharedKeys or certificate',
  ]);
});

test('paths start at the file’s directory', () => {
  const text = `${usual}network: { ipv4: 10.88.0.0/24 }
tls: { ca: a, certificate: b, privateKey: c }
transports:
  openvpn: { wrap: none }
  l2tpIpsec:
    enabled: true
    presharedKey: psk
    presharedKeys: [{ network: 192.0.2.0/24, file: branch }]
    tunnelSecret: l2tp
    certificate: { ca: ca, certificate: crt, privateKey: key, crl: crl }
`;
  const section = checkGatewayConfig(text, '/etc/culvert/c.yaml').config?.transports.l2tpIpsec;
  assert.equal(section?.presharedKey, '/etc/culvert/psk');
  assert.equal(section?.presharedKeys[0]?.file, '/etc/culvert/branch');
  assert.equal(section?.tunnelSecret, '/etc/culvert/l2tp');
  const files = ['ca', 'crt', 'key', 'crl'].map((name) => `/etc/culvert/${name}`);
  assert.deepEqual(Object.values(section?.certificate ?? {}), files);
});

test('what does not fit together is told', () => {
  const key = 'presharedKey: psk';
  const networks =
    '[{ network: 192.0.2.0/24, file: a }, { network: 192.0.2.0/24, file: b }, { network: 0.0.0.0/0, file: c }]';
  assert.deepEqual(check(`${key}, presharedKeys: ${networks}`), [
    'transports.l2tpIpsec.presharedKeys[1].network: found "192.0.2.0/24", expected each network once; presharedKeys[0] is it too',
    'warning: transports.l2tpIpsec.presharedKeys[2].network: found "0.0.0.0/0", expected networks that are not everybody: presharedKey is never used for this IP version',
  ]);
  assert.deepEqual(check(key, ''), [
    'auth.certificate: found "required", expected optional or none: users of l2tpIpsec have a password and nothing else',
    'auth.password: found "none", expected required or optional: users of l2tpIpsec have a password and nothing else',
  ]);
  const listen = 'listen: [{ address: 192.0.2.1 }, { address: 192.0.2.2 }, { address: 192.0.2.1 }]';
  assert.deepEqual(check(`${key}, ${listen}`), [
    'transports.l2tpIpsec.listen[2]: found 192.0.2.1, expected an address that listen[0] does not take already',
  ]);
  assert.deepEqual(check(`${key}, acceptWeak: true, authentication: [pap, pap]`), [
    'warning: transports.l2tpIpsec.authentication: found pap beside a shared key, expected mschapv2, or certificates alone: who has the key can pose as the gateway, and is shown the passwords',
    'warning: transports.l2tpIpsec.authentication[1]: found pap, expected each method once',
    'warning: transports.l2tpIpsec.acceptWeak: found true, expected false, unless devices need it: who records such a session may read it one day',
  ]);
  assert.deepEqual(check(`${key}, listen: [{ address: "2001:db8::1" }, { address: 192.0.2.1 }]`), []);
  assert.deepEqual(check(`${key}, listen: [{}, { address: "::" }]`), [], 'every address of both versions');
  assert.deepEqual(
    check(`${key}, listen: [{ address: "::" }, { address: "2001:db8::1" }, {}, { address: 192.0.2.1 }]`),
    [
      'transports.l2tpIpsec.listen[1]: found 2001:db8::1, expected an address that listen[0] does not take already',
      'transports.l2tpIpsec.listen[3]: found 192.0.2.1, expected an address that listen[2] does not take already',
    ],
  );
  assert.deepEqual(check(`${key}, authentication: [eap]`), [
    'transports.l2tpIpsec.authentication[0]: found "eap", expected mschapv2 or pap',
  ]);
});

test('ports and threads are not shared', () => {
  const text = (listen: string, at: string) => `${usual}network: { ipv4: 10.88.0.0/24, threads: 2 }
tls: { ca: a, certificate: b, privateKey: c }
transports:
  openvpn: { wrap: none, listen: [${listen}] }
  l2tpIpsec: { enabled: true, presharedKey: psk, listen: [${at}] }
`;
  const told = (listen: string, at: string) =>
    checkGatewayConfig(text(listen, at), 'c.yaml')
      .problems.map(formatProblem)
      .map((line) => line.replace(/^\S+ /, ''));
  const threads = 'network.threads: found 2, expected 1: L2TP/IPsec is carried by one thread';
  assert.deepEqual(told('{ port: 4500, address: 192.0.2.1 }, { port: 500, protocol: tcp }', '{}'), [
    threads,
    'transports.openvpn.listen[0]: found udp port 4500, expected a port that l2tpIpsec does not need (500 and 4500)',
  ]);
  assert.deepEqual(told('{ port: 4500, address: 192.0.2.1 }', '{ address: 192.0.2.2 }'), [threads]);
  assert.deepEqual(told('{ port: 500, address: 192.0.2.1 }', '{ address: "::" }'), [threads]);
  assert.equal(told('{ port: 500 }', '{ address: "2001:db8::1" }').length, 2);
});

test('a key is there, its owner’s alone, and no guess', () => {
  const told = (psk: string | ReturnType<ReadInput>) => check('presharedKey: psk', usual, { psk }).join('\n');
  assert.equal(told(random), '');
  assert.equal(told(random.trim()), '', 'a line end is no part of it');
  assert.match(
    check('presharedKey: psk', usual, {}).join(),
    /presharedKey: found \/etc\/culvert\/psk \(no such file\)/,
  );
  assert.match(told({ text: random, mode: 0o644 }), /presharedKey: found .* with mode 0644, expected mode 0600/);
  assert.match(told('\n'), /^transports\.l2tpIpsec\.presharedKey: found .* with an empty first line, expected/);
  assert.match(told('secret\n'), /^transports.* with a key of 6 characters, expected/);
  assert.match(told(`${random}${random}`), /^transports.* with more than one line/);
  for (const weak of ['office secret', '1234567890123456789012', 'ababababababababababababab']) {
    assert.match(told(weak), /^warning: transports.* that can be guessed .*openssl rand -base64 24$/, weak);
    assert.ok(!told(weak).includes(weak), 'the key itself is not told');
  }
  assert.match(told(` ${random}`), /^warning: .*begins or ends with a space/);
  assert.match(told('Straßenbahnhaltestelle-42-Süd'), /^warning: .*beyond ASCII/);
  const branch = check('presharedKeys: [{ network: 192.0.2.0/24, file: branch }]', usual, { branch: 'short' });
  assert.match(branch.join(), /presharedKeys\[0\]\.file: found .* with a key of 5 characters/);
  const tunnel = check('presharedKey: psk, tunnelSecret: l2tp', usual, { psk: random, l2tp: 'office secret' });
  assert.match(tunnel.join(), /^warning: transports\.l2tpIpsec\.tunnelSecret: found .* that can be guessed/);
});

test('a certificate is what Windows and macOS want, or that is said', () => {
  const told = (name: string, files = {}) => {
    const certificate = `certificate: { ca: good.crt, certificate: ${name}.crt, privateKey: ${name}.key, crl: crl }`;
    return check(certificate, usual, { crl: '-----BEGIN X509 CRL-----\n', ...files });
  };
  assert.deepEqual(told('good'), []);
  assert.deepEqual(
    told('plain').map((line) =>
      line.replace(/^warning: transports\.l2tpIpsec\.certificate\.certificate: found CN=plain /, ''),
    ),
    [
      'without either, expected extended key usage serverAuth or iKEIntermediate: Windows refuses it otherwise',
      'without any, expected the name or address that clients dial, as subject alternative name: Windows and macOS look for it',
      'with a key of curves, expected an RSA key: Windows and macOS take no other for L2TP/IPsec',
    ],
  );
  assert.match(told('nameless').join('\n'), /found a certificate without either/, 'a subject may be empty');
  const key = readFileSync(join(folder, 'plain.key'), 'utf8');
  assert.match(
    told('good', { 'good.key': key }).join('\n'),
    /found the key of another certificate, expected the key of transports\.l2tpIpsec\.certificate\.certificate \(CN=good\)/,
  );
  assert.match(told('good', { crl: 'x' }).join('\n'), /certificate\.crl: found something else in the file/);
  assert.match(told('good', { 'good.key': { text: key, mode: 0o640 } }).join('\n'), /another certificate/);
});
