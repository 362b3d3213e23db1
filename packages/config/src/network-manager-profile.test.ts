import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseNetworkManagerProfile, printNetworkManagerProfile } from './network-manager-profile.ts';
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

const problemsOf = (text: string) => parseNetworkManagerProfile(text, { file }).problems.map(formatProblem).join('\n');

test('a connection of NetworkManager', () => {
  assert.deepEqual(parseNetworkManagerProfile(office, { file }), {
    profile: {
      name: 'Office',
      server: 'vpn.example.com',
      username: 'alice',
      password: undefined,
      machineAuth: { kind: 'psk', psk: new Uint8Array(Buffer.from('secret')) },
      redirect: false,
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
  const profiles: fc.Arbitrary<Parameters<typeof printNetworkManagerProfile>[0]> = fc.record(
    {
      name: text,
      server: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
      username: maybe(text),
      password: maybe(text),
      machineAuth: fc.oneof(
        fc.record({ kind: fc.constant('psk' as const), psk }, plain),
        fc.record({ kind: fc.constant('files' as const), ...files }, plain),
      ),
      redirect: fc.boolean(),
    },
    plain,
  );
  fc.assert(
    fc.property(profiles, (profile) => {
      const parsed = parseNetworkManagerProfile(printNetworkManagerProfile(profile), { file });
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
    ['#'.repeat(70_000), /at most 64 KiB/],
  ];
  for (const [text, message] of cases) {
    assert.equal(parseNetworkManagerProfile(text, { file }).profile, undefined);
    assert.match(problemsOf(text), message);
  }
});

test('what is not done is said, and no obstacle', () => {
  const text = office.replace('mtu=1400', 'ipsec-ikev2=yes');
  assert.match(problemsOf(text), /:11: warning: vpn\.ipsec-ikev2: found "yes", expected none: IKEv1/);
  assert.ok(parseNetworkManagerProfile(text, { file }).profile);
});
