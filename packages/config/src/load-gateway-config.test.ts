import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkGatewayConfig, formatProblem, gatewayJsonSchema } from './index.ts';

const minimal = `
network: { ipv4: 10.88.0.0/24 }
tls: { ca: ca.crt, certificate: server.crt, privateKey: server.key }
transports: { openvpn: { wrap: none } }
`;

const mistakes = (text: string) => checkGatewayConfig(text, 'culvertd.yaml').problems.map(formatProblem);

test('a short file is enough: the rest has defaults, and paths start at its directory', () => {
  const { config, problems } = checkGatewayConfig(minimal, '/etc/culvert/culvertd.yaml');
  assert.deepEqual(problems, []);
  assert.equal(config?.network.mode, 'nat');
  assert.equal(config?.tls.ca, '/etc/culvert/ca.crt');
  assert.equal(config?.state, '/var/lib/culvert');
  assert.deepEqual(config?.transports.openvpn.listen, [{ protocol: 'udp', port: 1194 }]);
  assert.deepEqual(config?.keepalive, { interval: 10_000, timeout: 60_000 });
  assert.equal(config?.limits.idle, undefined);
});

test('every mistake is told at once, with line, key, found and expected', () => {
  const text = `
netwrok: { ipv4: 10.88.0.0/24 }
network:
  ipv4: 10.88.0.5/24
  ipv6: 10.88.0.0/24
  mtu: 20
  mode: bridged
push:
  routes: [192.168.10.0/24, banana]
  redirect: yes
tls:
  ca: ca.crt
  certficate: server.crt
  crl: { expired: ignore }
transports:
  openvpn:
    listen:
      - { port: 70000, protocol: sctp }
    wrap: { tlsCrypt: a, tlsCryptV2: b }
    renegotiateAfter: 3600
filter:
  rules:
    - { action: allow, ports: [80], networks: [10.0.0.0/8] }
    - { groups: [a b] }
`;
  assert.deepEqual(mistakes(text), [
    'culvertd.yaml:2: netwrok: found an unknown key, expected network (did you mean that?)',
    'culvertd.yaml:4: network.ipv4: found "10.88.0.5/24", expected 10.88.0.0/24 (host bits are set)',
    'culvertd.yaml:5: network.ipv6: found "10.88.0.0/24", expected an IPv6 network such as fd88:1::/64',
    'culvertd.yaml:6: network.mtu: found 20, expected a whole number from 576 to 9000',
    'culvertd.yaml:7: network.mode: found "bridged", expected nat or routed',
    'culvertd.yaml:9: push.routes[1]: found "banana", expected a network such as 192.168.10.0/24 or fd10::/64',
    'culvertd.yaml:10: push.redirect: found "yes", expected a section of keys and values',
    'culvertd.yaml:11: tls.certificate: found nothing, expected the path of a file',
    'culvertd.yaml:11: tls.privateKey: found nothing, expected the path of a file',
    'culvertd.yaml:13: tls.certficate: found an unknown key, expected certificate (did you mean that?)',
    'culvertd.yaml:14: tls.crl.file: found nothing, expected the path of a file',
    'culvertd.yaml:14: tls.crl.expired: found "ignore", expected warn or refuse',
    'culvertd.yaml:18: transports.openvpn.listen[0].protocol: found "sctp", expected udp or tcp',
    'culvertd.yaml:18: transports.openvpn.listen[0].port: found 70000, expected a whole number from 1 to 65535',
    'culvertd.yaml:19: transports.openvpn.wrap: found a section, expected "tlsCryptV2: FILE", "tlsCrypt: FILE", or none',
    'culvertd.yaml:20: transports.openvpn.renegotiateAfter: found 3600, expected a duration such as 30s, 10m, 12h or 7d',
    'culvertd.yaml:23: filter.rules[0].ports: found a list, expected protocol: tcp or protocol: udp beside ports',
    'culvertd.yaml:24: filter.rules[1].action: found nothing, expected allow or deny',
    'culvertd.yaml:24: filter.rules[1].groups[0]: found "a b", expected a name of letters, digits, ".", "_", "-" or "@", at most 64 characters',
  ]);
});

test('what does not fit together is told as well, doubts as warnings', () => {
  const text = `
network: { ipv4: 10.88.0.0/24, mtu: 1500 }
push:
  routes:
    - 10.0.0.0/8
    - 10.88.0.0/25
    - fd10::/64
    - 127.0.0.0/8
  redirect: { ipv6: true }
  dns: { servers: [192.0.2.53, 10.1.1.1] }
tls: { ca: a, certificate: b, privateKey: c }
auth: { certificate: none }
transports:
  openvpn:
    wrap: none
    listen: [{ port: 1194 }, { address: 192.0.2.1, port: 1194 }, { port: 1194, protocol: tcp }]
keepalive:
  timeout: 15s
`;
  assert.deepEqual(mistakes(text), [
    'culvertd.yaml:6: warning: push.routes[1]: found "10.88.0.0/25", expected no route inside the inner network 10.88.0.0/24: links have it anyway',
    'culvertd.yaml:7: push.routes[2]: found "fd10::/64", expected network.ipv6 as well: links have no address for this route',
    'culvertd.yaml:8: push.routes[3]: found "127.0.0.0/8", expected a network of unicast addresses',
    'culvertd.yaml:9: push.redirect.ipv6: found true, expected false, or network.ipv6 as well',
    'culvertd.yaml:10: warning: push.dns.servers[0]: found "192.0.2.53", expected a name server inside the pushed networks: links ask this one outside of the tunnel',
    'culvertd.yaml:12: auth.certificate: found "none", expected required or optional here or in auth.password: nobody could come in',
    'culvertd.yaml:16: transports.openvpn.listen[1]: found udp port 1194, expected a port that listen[0] does not take already',
    'culvertd.yaml:18: keepalive.timeout: found 15s, expected at least twice the interval (20s)',
  ]);
});

test('warnings alone let the configuration through', () => {
  const { config, problems } = checkGatewayConfig(`${minimal}\npush: { dns: { servers: [192.0.2.53] } }\n`, 'c.yaml');
  assert.equal(problems[0]?.severity, 'warning');
  assert.notEqual(config, undefined);
});

test('text that is not YAML, an empty file and a list are told, not thrown', () => {
  assert.match(mistakes('a: [\nb: }\n').join('\n'), /^culvertd\.yaml:2: found text that is not YAML/);
  assert.match(mistakes('').join('\n'), /culvertd\.yaml:1: network: found nothing/);
  assert.match(mistakes('- a\n- b\n').join('\n'), /expected a section/);
  assert.match(mistakes('a: 1\na: 2\n').join('\n'), /not YAML \(Map keys must be unique/);
});

test('a key with nothing behind it counts as absent', () => {
  assert.deepEqual(mistakes(`${minimal}\npush:\nlimits:\n`), []);
});

test('the published JSON schema is the one in use (scripts/node scripts/write-config-schema.ts)', () => {
  const published: unknown = JSON.parse(
    readFileSync(new URL('../../../docs/culvertd.schema.json', import.meta.url), 'utf8'),
  );
  assert.deepEqual(published, JSON.parse(JSON.stringify(gatewayJsonSchema())));
});

test('PPTP is off by default, and on only for who says twice that it may be', () => {
  const { config } = checkGatewayConfig(minimal, 'culvertd.yaml');
  assert.deepEqual(config?.transports.pptp, {
    enabled: false,
    acceptInsecure: false,
    listen: [{ port: 1723 }],
    strengths: [128],
    stateful: false,
  });
  const withPptp = (pptp: string, more = '') => mistakes(minimal.replace('none }', `none }, pptp: { ${pptp} }`) + more);
  const password = 'auth: { certificate: optional, password: required }\n';
  assert.deepEqual(withPptp('enabled: true', password), [
    'culvertd.yaml:4: transports.pptp.enabled: found true, expected false, or acceptInsecure: true beside it: PPTP keeps no secret from whoever records it (docs/pptp.md)',
  ]);
  assert.deepEqual(withPptp('enabled: true, acceptInsecure: true', password), []);
  assert.deepEqual(withPptp('enabled: true, acceptInsecure: true'), [
    'culvertd.yaml:2: auth.certificate: found "required", expected optional or none: PPTP\'s clients have a password and nothing else',
    'culvertd.yaml:2: auth.password: found "none", expected required or optional: PPTP\'s clients have a password and nothing else',
  ]);
  assert.deepEqual(withPptp('enabled: true, acceptInsecure: true, groups: []', password), [
    'culvertd.yaml:4: transports.pptp.groups: found a list, expected at least one group',
  ]);
  assert.deepEqual(
    withPptp('enabled: true, acceptInsecure: true, strengths: [128, 40], listen: [{ address: "::1" }]', password),
    [
      'culvertd.yaml:4: transports.pptp.listen[0].address: found "::1", expected an IPv4 address: PPTP has no other outside',
    ],
  );
  assert.deepEqual(withPptp('enabled: true, acceptInsecure: true, strengths: [128, 40], stateful: true', password), [
    'culvertd.yaml:4: warning: transports.pptp.strengths: found 40, expected 128 alone: shorter keys are read within hours',
    'culvertd.yaml:4: warning: transports.pptp.stateful: found true, expected false: a key for 256 packets is weaker still, and slow',
  ]);
  const listen = (addresses: string) =>
    withPptp(`enabled: true, acceptInsecure: true, listen: [${addresses}]`, password);
  assert.deepEqual(listen('{ address: 192.0.2.1 }, { address: 192.0.2.2 }, { address: 192.0.2.1 }'), [
    'culvertd.yaml:4: transports.pptp.listen[2]: found 192.0.2.1, expected an address that listen[0] does not take already',
  ]);
  assert.deepEqual(listen('{ address: 192.0.2.1 }, {}, { address: 0.0.0.0 }'), [
    'culvertd.yaml:4: transports.pptp.listen[1]: found every address, expected an address that listen[0] does not take already',
    'culvertd.yaml:4: transports.pptp.listen[2]: found 0.0.0.0, expected an address that listen[0] does not take already',
  ]);
});
