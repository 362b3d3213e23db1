import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseNetworkManagerPptp, printNetworkManagerPptp } from './network-manager-pptp.ts';
import type { PptpProfile } from './pptp-profile.ts';
import { formatProblem } from './problem.ts';

const file = 'office.nmconnection';

/** As nm-connection-editor saves one, shortened. */
const office = `[connection]
id=Office
uuid=f4b0cb44-5f0a-4bdc-b2a1-6a1ee27e2a4a
type=vpn
permissions=user:alice:;

[vpn]
domain=OFFICE
gateway=vpn.example.com
lcp-echo-failure=5
lcp-echo-interval=30
password-flags=0
refuse-chap=yes
refuse-eap=yes
refuse-mschap=yes
refuse-pap=yes
require-mppe-128=yes
user=alice
service-type=org.freedesktop.NetworkManager.pptp

[vpn-secrets]
password=wallpaper engine

[ipv4]
dns=10.1.0.53;
dns-search=office.example;~corp.example;~.;
ignore-auto-dns=true
method=auto
never-default=true
route1=10.1.0.0/16
route2=10.2.3.4/16,10.1.0.1,50
route3=10.4.0.0/16,0.0.0.0,7
route3_options=mtu=1300

[ipv6]
addr-gen-mode=stable-privacy
method=auto
`;

const parse = (text: string) => parseNetworkManagerPptp(text, { file });
const problemsOf = (text: string) => parse(text).problems.map(formatProblem).join('\n');

test('a connection of NetworkManager', () => {
  const route = (network: string, gateway?: string, metric?: number) => ({ network, gateway, metric });
  assert.deepEqual(parse(office), {
    profile: {
      name: 'Office',
      server: 'vpn.example.com',
      username: 'alice',
      domain: 'OFFICE',
      password: 'wallpaper engine',
      strengths: [128],
      stateful: false,
      echo: { interval: 30, failures: 5 },
      network: {
        routes: [route('10.1.0.0/16'), route('10.2.0.0/16', '10.1.0.1', 50), route('10.4.0.0/16', undefined, 7)],
        redirect: { ipv4: false, ipv6: false },
        dns: { servers: ['10.1.0.53'], search: ['office.example', 'corp.example'] },
        ignoreServersDns: true,
        ipv6: true,
      },
      acceptInsecure: false,
    },
    problems: [],
  });
});

test('without never-default everything is redirected, IPv6 only where it is wanted at all', () => {
  const redirectOf = (text: string) => parse(text).profile?.network.redirect;
  const all = office.replace('never-default=true\n', '');
  assert.deepEqual(redirectOf(all), { ipv4: true, ipv6: true });
  for (const line of ['method=disabled', 'method=ignore', 'method=auto\nnever-default=true'])
    assert.deepEqual(redirectOf(all.replace(/method=auto\n$/, `${line}\n`)), { ipv4: true, ipv6: false });
});

test('routes as older versions wrote them', () => {
  const { profile } = parse(office.replace('route1=10.1.0.0/16', 'routes1=10.1.0.0;16;0.0.0.0;3;'));
  assert.deepEqual(profile?.network.routes[0], { network: '10.1.0.0/16', gateway: undefined, metric: 3 });
});

test('40 bits are taken only where the connection names them', () => {
  const strengthsOf = (...lines: string[]) =>
    parse(office.replace('require-mppe-128=yes', lines.join('\n'))).profile?.strengths;
  assert.deepEqual(strengthsOf(), [128]);
  assert.deepEqual(strengthsOf('require-mppe=yes'), [128]);
  assert.deepEqual(strengthsOf('require-mppe-40=yes'), [40]);
  assert.deepEqual(strengthsOf('require-mppe-40=yes', 'require-mppe-128=yes'), [128, 40]);
});

test('what cannot be used is named with its line', () => {
  const cases: [text: string, message: RegExp][] = [
    [office.replace('.pptp', '.l2tp'), /:19: vpn\.service-type: found "org\.freedesktop\.NetworkManager\.l2tp"/],
    [office.replace('gateway=', 'gate='), /vpn\.gateway: found nothing, expected a value/],
    [office.replace('vpn.example.com', '2001:db8::1'), /:9: vpn\.gateway: .*IPv4/],
    [office.replace('refuse-pap', 'refuse-mschapv2'), /:16: vpn\.refuse-mschapv2: found "yes", expected no: MS-CHAPv2/],
    [office.replace('10.1.0.0/16', '10.1.0.0'), /ipv4\.route1: found "10\.1\.0\.0", expected a route/],
    [office.replace('10.1.0.0/16', '10.1.0.0/33'), /ipv4\.route1/],
    [office.replace(',50', ',fifty'), /ipv4\.route2/],
    [office.replace('10.1.0.53', 'ns'), /ipv4\.dns: found "ns;", expected addresses/],
    [office.replace('interval=30', 'interval=often'), /lcp-echo-interval: found "often", expected a number/],
  ];
  for (const [text, message] of cases) {
    assert.equal(parse(text).profile, undefined);
    assert.match(problemsOf(text), message);
  }
});

test('no problem tells the password', () => {
  assert.doesNotMatch(problemsOf(`password=wallpaper engine\n${office.replace('gateway=', 'gate=')}`), /wallpaper/);
});

test('what is printed is read back as it was', () => {
  const plain = { noNullPrototype: true } as const;
  const text = fc.string({ minLength: 1 });
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const route = fc.record(
    {
      network: fc.constantFrom('10.0.0.0/8', '192.0.2.7/32', '0.0.0.0/0'),
      gateway: maybe(fc.constant('10.0.0.1')),
      metric: maybe(fc.nat(999_999_999)),
    },
    plain,
  );
  const redirect = fc.constantFrom(
    { ipv4: false, ipv6: false },
    { ipv4: true, ipv6: false },
    { ipv4: true, ipv6: true },
  );
  const network = fc
    .record(
      {
        routes: fc.array(route),
        redirect,
        dns: fc.constantFrom(
          { servers: [], search: [] },
          { servers: ['10.0.0.53', 'fd00::53'], search: ['a.example', 'b.example'] },
        ),
        ignoreServersDns: fc.boolean(),
        ipv6: fc.boolean(),
      },
      plain,
    )
    .filter(({ redirect, ipv6 }) => ipv6 || !redirect.ipv6);
  const profiles: fc.Arbitrary<PptpProfile> = fc.record(
    {
      name: text,
      server: fc.oneof(fc.domain(), fc.ipV4()),
      username: maybe(text),
      domain: maybe(text),
      password: maybe(text),
      strengths: fc.constantFrom<PptpProfile['strengths']>([128], [40], [128, 40]),
      stateful: fc.boolean(),
      echo: maybe(
        fc.record({ interval: fc.integer({ min: 1, max: 9_999 }), failures: fc.integer({ min: 1, max: 99 }) }, plain),
      ),
      network,
      acceptInsecure: fc.boolean(),
    },
    plain,
  );
  fc.assert(
    fc.property(profiles, (profile) => {
      assert.deepEqual(parse(printNetworkManagerPptp(profile)), { profile, problems: [] });
    }),
  );
});
