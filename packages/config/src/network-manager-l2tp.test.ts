import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readEspProposals, readIkeProposals } from './ipsec-proposals.ts';
import type { L2tpConnection } from './l2tp-profile.ts';
import { parseNetworkManagerL2tp, printNetworkManagerL2tp } from './network-manager-l2tp.ts';
import { formatProblem } from './problem.ts';

const file = 'office.nmconnection';

/** As nm-connection-editor saves one, shortened. */
const office = `[connection]
id=Office
uuid=0f5a3b9e-2b4f-4f0f-9d55-6e0f3f0b1f7a
type=vpn

[vpn]
gateway=vpn.example.com
ipsec-enabled=yes
ipsec-psk=0sc2VjcmV0
machine-auth-type=psk
mtu=1400
password-flags=1
user=alice
user-auth-type=password
service-type=org.freedesktop.NetworkManager.l2tp

[ipv4]
method=auto
never-default=true
`;

const networks: L2tpConnection['network'][] = [true, false].map((all) => ({
  routes: all ? [] : [{ network: '10.1.0.0/16', gateway: undefined, metric: 50 }],
  redirect: { ipv4: all, ipv6: all },
  dns: all ? { servers: [], search: [] } : { servers: ['10.1.0.53'], search: ['office.example'] },
  ignoreServersDns: !all,
  ipv6: true,
}));

const problemsOf = (text: string) => parseNetworkManagerL2tp(text, { file }).problems.map(formatProblem).join('\n');

test('a connection of NetworkManager', () => {
  assert.deepEqual(parseNetworkManagerL2tp(office, { file }), {
    profile: {
      name: 'Office',
      server: 'vpn.example.com',
      username: 'alice',
      password: undefined,
      machineAuth: { kind: 'psk', psk: new Uint8Array(Buffer.from('secret')) },
      domain: undefined,
      authentication: 'mschapv2',
      tunnelSecret: undefined,
      remoteId: undefined,
      proposals: { ike: undefined, esp: undefined },
      lifetimes: { phase1Seconds: undefined, phase2Seconds: undefined },
      mru: undefined,
      echo: undefined,
      network: {
        routes: [],
        redirect: { ipv4: false, ipv6: false },
        dns: { servers: [], search: [] },
        ignoreServersDns: false,
        ipv6: true,
      },
      acceptInsecure: false,
    },
    problems: [],
  });
});

test('what is printed is read back as it was', () => {
  const plain = { noNullPrototype: true } as const;
  const text = fc.string({ minLength: 1 });
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const psk = maybe(fc.uint8Array({ minLength: 1, maxLength: 40 }));
  const files = { certificate: text, privateKey: text, passphrase: maybe(text), ca: maybe(text) };
  const pem = { certificate: text, privateKey: text, passphrase: maybe(text), ca: text };
  const seconds = maybe(fc.integer({ min: 1, max: 999_999 }));
  const ike = fc.constantFrom(
    readIkeProposals('aes256-sha2_256-modp2048,aes128-sha1-ecp256!').proposals,
    readIkeProposals('3des-sha1-modp1024').proposals,
  );
  const esp = fc.constantFrom(readEspProposals('aes_gcm256-null,aes128gcm16-modp2048,aes256-sha256_96!').proposals);
  const profiles: fc.Arbitrary<L2tpConnection> = fc.record(
    {
      name: text,
      server: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
      username: maybe(text),
      password: maybe(text),
      machineAuth: fc.oneof(
        fc.record({ kind: fc.constant('psk' as const), psk }, plain),
        fc.record({ kind: fc.constant('files' as const), ...files }, plain),
        fc.record({ kind: fc.constant('pem' as const), ...pem }, plain),
      ),
      domain: maybe(text),
      authentication: fc.constantFrom('mschapv2', 'pap'),
      tunnelSecret: maybe(text),
      remoteId: maybe(fc.domain()),
      proposals: fc.record({ ike: maybe(ike), esp: maybe(esp) }, plain),
      lifetimes: fc.record({ phase1Seconds: seconds, phase2Seconds: seconds }, plain),
      mru: maybe(fc.integer({ min: 576, max: 1_500 })),
      echo: maybe(fc.constant({ interval: 30, failures: 5 })),
      network: fc.constantFrom(...networks),
      acceptInsecure: fc.boolean(),
    },
    plain,
  );
  fc.assert(
    fc.property(profiles, (profile) => {
      const parsed = parseNetworkManagerL2tp(printNetworkManagerL2tp(profile), { file });
      assert.deepEqual(parsed, { profile, problems: [] });
    }),
  );
});

test('what cannot be used is named with its line', () => {
  const cases: [text: string, message: RegExp][] = [
    [
      office.replace('ipsec-enabled=yes', 'ipsec-enabled=no'),
      /nmconnection:8: vpn\.ipsec-enabled: found "no", expected yes/,
    ],
    [office.replace('.l2tp', '.pptp'), /:15: vpn\.service-type: found "org\.freedesktop\.NetworkManager\.pptp"/],
    [office.replace('gateway=', 'gate='), /vpn\.gateway: found nothing, expected a value/],
    [
      office.replace('machine-auth-type=psk', 'machine-auth-type=tls'),
      /vpn\.machine-cert: found nothing[\s\S]*machine-key/,
    ],
    [`x=1\n${office}`, /:1: found "x", expected a \[group\] first$/m],
    [`${office}\nwhat\n`, /:21: found "what", expected \[group\] or key=value/],
    [
      office.replace('password-flags=1', 'refuse-mschapv2=yes\nrefuse-pap=yes'),
      /vpn\.refuse-mschapv2: .*MS-CHAPv2 and PAP/,
    ],
    [
      office.replace('mtu=1400', 'ipsec-salifetime=long'),
      /ipsec-salifetime: found "long", expected a number of seconds/,
    ],
    [office.replace('mtu=1400', 'mru=1e3'), /vpn\.mru: found "1e3", expected a number/],
    ['#'.repeat(70_000), /at most 64 KiB/],
  ];
  for (const [text, message] of cases) {
    assert.equal(parseNetworkManagerL2tp(text, { file }).profile, undefined);
    assert.match(problemsOf(text), message);
  }
});

test('what is not done is said, and no obstacle', () => {
  const text = office.replace('mtu=1400', 'ipsec-ikev2=yes');
  assert.match(problemsOf(text), /:11: warning: vpn\.ipsec-ikev2: found "yes", expected none: IKEv1/);
  assert.ok(parseNetworkManagerL2tp(text, { file }).profile);
});

test('what the server must call itself, and how long keys live', () => {
  const read = (lines: string) => parseNetworkManagerL2tp(office.replace('mtu=1400', lines), { file });
  const { profile } = read('ipsec-gateway-id=@gateway.example\nipsec-ikelifetime=8h\nipsec-salifetime=1800');
  assert.equal(profile?.remoteId, 'gateway.example');
  assert.deepEqual(profile?.lifetimes, { phase1Seconds: 28_800, phase2Seconds: 1_800 });
  const any = read('ipsec-remote-id=%any');
  assert.equal(any.profile?.remoteId, undefined);
  assert.match(any.problems.map(formatProblem).join(), /warning: vpn\.ipsec-remote-id: found "%any"/);
});

test('PAP only where MS-CHAPv2 is refused', () => {
  const read = (lines: string) => parseNetworkManagerL2tp(office.replace('mtu=1400', lines), { file }).profile;
  assert.equal(read('refuse-eap=yes\nrefuse-chap=yes')?.authentication, 'mschapv2');
  assert.equal(read('refuse-mschapv2=yes')?.authentication, 'pap');
});

test('proposals: what is left out is told with its line, and where nothing is left it is an error', () => {
  const read = (lines: string) => {
    const { profile, problems } = parseNetworkManagerL2tp(office.replace('mtu=1400', lines), { file });
    return { profile, told: problems.map(formatProblem) };
  };
  const some = read('ipsec-ike=Camellia256-sha256-modp2048, aes256-sha1-modp2048,3des-sha1-modp1024!');
  assert.deepEqual(some.told, [
    'office.nmconnection:11: warning: vpn.ipsec-ike: found "camellia256-sha256-modp2048", expected other words: it is left out, as "camellia256" is nothing that is done here',
    'office.nmconnection:11: warning: vpn.ipsec-ike: found "3des-sha1-modp1024", expected something better: it is weak, and offered with --accept-insecure alone',
  ]);
  assert.deepEqual(
    some.profile?.proposals.ike?.map(({ text }) => text),
    ['aes256-sha1-modp2048', '3des-sha1-modp1024'],
  );
  const none = read('ipsec-ike=aes256-sha256-modp2048\nipsec-esp=aes256ctr-sha1,aes256');
  assert.equal(none.profile, undefined);
  assert.deepEqual(none.told, [
    'office.nmconnection:12: vpn.ipsec-esp: found "aes256ctr-sha1", expected other words, such as aes256-sha256: "aes256ctr" is nothing that is done here',
    'office.nmconnection:12: vpn.ipsec-esp: found "aes256", expected other words, such as aes256-sha256: it names no integrity, such as sha256',
  ]);
  assert.match(
    read('ipsec-esp=!').told.join(),
    /:11: vpn\.ipsec-esp: found "!", expected proposals, such as aes256-sha256/,
  );
  // All are weak: that is told by whoever imports the profile.
  assert.deepEqual(read('ipsec-ike=3des-sha1-modp1024!').told, []);
  const told = '\n[culvert]\naccept-insecure=true\n';
  const accepted = office.replace('mtu=1400', 'ipsec-ike=aes256-sha1-modp2048,aes256-sha1-modp1024') + told;
  assert.deepEqual(parseNetworkManagerL2tp(accepted, { file }).problems, []);
});
