import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkFiles, type ReadInput } from './check-files.ts';
import { checkGatewayConfig } from './index.ts';
import { formatProblem } from './problem.ts';

const made = { server: '', serverKey: '', plain: '', otherKey: '' };
let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'culvert-config-'));
  issue('server', '-addext', 'extendedKeyUsage=serverAuth');
  issue('plain');
  made.server = read('server.crt');
  made.serverKey = read('server.key');
  made.plain = read('plain.crt');
  made.otherKey = read('plain.key');
});
after(() => rmSync(directory, { recursive: true }));

const crl = '-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n';
const staticKey = '-----BEGIN OpenVPN Static key V1-----\n';

/** Problems of a configuration whose files have these texts (mode 0600), `days` from now. */
function check(files: Readonly<Record<string, string | ReturnType<ReadInput>>>, days = 0): string[] {
  const text = `network: { ipv4: 10.88.0.0/24 }
tls:
  ca: ca
  certificate: crt
  privateKey: key
  crl: { file: crl }
transports: { openvpn: { wrap: { tlsCrypt: tc } } }
`;
  const good = { ca: made.server, crt: made.server, key: made.serverKey, crl, tc: staticKey };
  const all: Readonly<Record<string, string | ReturnType<ReadInput>>> = { ...good, ...files };
  const readInput: ReadInput = (path) => {
    const file = all[path.replace('/etc/culvert/', '')];
    if (file === undefined || file === '') throw Object.assign(new Error('no'), { code: 'ENOENT' });
    return typeof file === 'string' ? { text: file, mode: 0o600 } : file;
  };
  const now = Date.now() + days * 86_400_000;
  const { problems } = checkGatewayConfig(text, '/etc/culvert/c.yaml', (config) => checkFiles(config, readInput, now));
  return problems.map(formatProblem).map((line) => line.replace('/etc/culvert/c.yaml:', ''));
}

test('files that are what they should be pass', () => {
  assert.deepEqual(check({}), []);
  assert.deepEqual(check({ key: { text: made.serverKey, mode: 0o640 } }), [], 'a group may read the key');
});

test('a file that the service user cannot read says how to open it for its group', () => {
  assert.deepEqual(check({ key: { text: made.serverKey, mode: 0o600, closedTo: 'culvert' } }), [
    '5: warning: tls.privateKey: found /etc/culvert/key, closed to user culvert, expected a file that the service’s group may ' +
      'read: chgrp culvert /etc/culvert/key && chmod 640 /etc/culvert/key',
  ]);
});

test('a missing file names its path, and the others are still checked', () => {
  assert.deepEqual(check({ ca: '', key: 'nonsense' }), [
    '3: tls.ca: found /etc/culvert/ca (no such file), expected a file that can be read',
    '5: tls.privateKey: found no private key in it, expected a private key in PEM, without a passphrase',
  ]);
});

test('a key that others may read, or that belongs to another certificate, is refused', () => {
  const [mode, other] = check({ key: { text: made.otherKey, mode: 0o644 } });
  assert.match(
    mode ?? '',
    /tls\.privateKey: found \/etc\/culvert\/key with mode 0644, expected mode 0600.*chmod g-w,o-rwx/,
  );
  assert.match(other ?? '', /found the key of another certificate, expected the key of tls\.certificate \(CN=server\)/);
  assert.match(check({ tc: { text: staticKey, mode: 0o604 } })[0] ?? '', /wrap\.tlsCrypt: found .* with mode 0604/);
});

test('certificates: expired, early, soon to end, without serverAuth, not certificates', () => {
  assert.match(check({}, 31).join('\n'), /4: tls\.certificate: found CN=server, expired on \d{4}-\d\d-\d\d/);
  assert.match(
    check({}, -2).join('\n'),
    /tls\.certificate: found CN=server, not valid before .* \(is the clock right\?\)/,
  );
  assert.match(check({}, 20).join('\n'), /4: warning: tls\.certificate: found CN=server, which expires on/);
  assert.match(check({ crt: made.plain, key: made.otherKey }).join('\n'), /warning: .*CN=plain without serverAuth/);
  assert.match(check({ ca: 'hello' }).join('\n'), /tls\.ca: found no certificate in it/);
  assert.match(check({ crl: made.server }).join('\n'), /tls\.crl\.file: found something else in the file/);
});

function issue(name: string, ...more: string[]): void {
  const options = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
  ];
  const out = ['-keyout', join(directory, `${name}.key`), '-out', join(directory, `${name}.crt`)];
  execFileSync('openssl', ['req', '-x509', ...options, ...out, ...more], { stdio: 'pipe' });
}

function read(name: string): string {
  return readFileSync(join(directory, name), 'utf8');
}
