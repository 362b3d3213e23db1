import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAppleProfile, printAppleProfile } from './apple-profile.ts';
import { formatProblem } from './problem.ts';

const file = 'office.mobileconfig';

/** As Apple Configurator writes one, shortened; the keys are those of Apple's Configuration Profile Reference. */
const office = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>PayloadContent</key><array><dict>
    <key>IPSec</key><dict>
      <key>AuthenticationMethod</key><string>SharedSecret</string>
      <key>SharedSecret</key><data>c2VjcmV0</data>
    </dict>
    <key>IPv4</key><dict><key>OverridePrimary</key><integer>1</integer></dict>
    <key>PPP</key><dict>
      <key>AuthName</key><string>alice</string>
      <key>CommRemoteAddress</key><string>vpn.example.com</string>
    </dict>
    <key>PayloadType</key><string>com.apple.vpn.managed</string>
    <key>PayloadVersion</key><integer>1</integer>
    <key>UserDefinedName</key><string>Office</string>
    <key>VPNType</key><string>L2TP</string>
  </dict></array>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
</dict></plist>`;

test("a profile of Apple's tools", () => {
  const { profile, problems } = parseAppleProfile(office, { file });
  assert.deepEqual(problems, []);
  assert.deepEqual(profile, {
    name: 'Office',
    server: 'vpn.example.com',
    username: 'alice',
    password: undefined,
    machineAuth: { kind: 'psk', psk: new Uint8Array(Buffer.from('secret')) },
    redirect: true,
  });
});

test('what is printed is read back as it was', () => {
  // XML has no control characters, and what is nothing but blanks is nothing.
  const text = fc
    .string({ minLength: 1, unit: 'grapheme' })
    .filter((it) => it.trim() !== '' && !/\p{Cc}|\p{Cn}|[\uFFFE\uFFFF]/u.test(it));
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 });
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const plain = { noNullPrototype: true } as const;
  const identity = { pkcs12: bytes, password: maybe(text), ca: maybe(bytes) };
  const profiles: fc.Arbitrary<Parameters<typeof printAppleProfile>[0]> = fc.record(
    {
      name: text,
      server: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
      username: maybe(text),
      password: maybe(text),
      machineAuth: fc.oneof(
        fc.record({ kind: fc.constant('psk' as const), psk: maybe(bytes) }, plain),
        fc.record({ kind: fc.constant('pkcs12' as const), ...identity }, plain),
      ),
      redirect: fc.boolean(),
    },
    plain,
  );
  const lineSeparators = { name: 'a\u2028b', server: 'a.example', password: '\u2028!', redirect: true };
  fc.assert(
    fc.property(profiles, (profile) => {
      const printed = printAppleProfile(profile);
      assert.deepEqual(parseAppleProfile(printed, { file }), { profile, problems: [] });
      assert.equal(printAppleProfile(profile), printed);
    }),
    { examples: [[{ ...lineSeparators, username: 'a\u2029', machineAuth: { kind: 'psk', psk: undefined } }]] },
  );
});

test('what cannot be used is named', () => {
  const cases: [text: string, message: RegExp][] = [
    ['0\x82\x10', /found no XML \(signed profiles are none/],
    ['<plist><dict>', /found XML with a mistake/],
    ['<!DOCTYPE plist [<!ENTITY a "b">]><plist/>', /declarations of its own/],
    [`<${'x'.repeat(1 << 20)}`, /more than 1 MiB/],
    ['<plist><array/></plist>', /no dictionary/],
    [office.replace('>L2TP<', '>IKEv2<'), /PayloadContent: found com\.apple\.vpn\.managed IKEv2, expected .*L2TP/],
    [office.replace('>CommRemoteAddress<', '>X<'), /PPP\.CommRemoteAddress: found nothing/],
    [office.replace('>SharedSecret</string>', '>Hybrid</string>'), /IPSec: found AuthenticationMethod Hybrid/],
    [office.replace('>SharedSecret</string>', '>Certificate</string>'), /PayloadCertificateUUID missing/],
    [
      office.replace(
        '<key>SharedSecret</key>',
        '<key>LocalIdentifier</key><string>group</string><key>SharedSecret</key>',
      ),
      /aggressive mode/,
    ],
  ];
  for (const [text, message] of cases) {
    const { profile, problems } = parseAppleProfile(text, { file });
    assert.equal(profile, undefined, text.slice(0, 80));
    assert.match(problems.map(formatProblem).join('\n'), message);
  }
});

test('of several connections the first with L2TP is taken, and that is said', () => {
  const vpn = /<dict>\s*<key>IPSec[\s\S]*?L2TP<\/string>\s*<\/dict>/.exec(office)?.[0] ?? '';
  const { profile, problems } = parseAppleProfile(office.replace(vpn, `${vpn.replace('>L2TP<', '>IKEv2<')}${vpn}`), {
    file,
  });
  assert.equal(profile?.server, 'vpn.example.com');
  assert.match(problems.map(formatProblem).join(), /found 2 VPN connections/);
});
