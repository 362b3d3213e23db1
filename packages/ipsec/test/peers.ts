/**
 * What the native clients send, written down field by field with an encoder that shares nothing with the package's own.
 *
 * Orders, sizes and values: apple-ppp's ipsec_utils.c, aosp-racoon's setup.c, ChromeOS's shill (ipsec_connection.cc), logs of Windows 10
 * behind strongSwan and libreswan, and strongSwan 5.9 with Debian's defaults.
 */
import { Buffer } from 'node:buffer';

const number = (value: number, bytes: number) => value.toString(16).padStart(bytes * 2, '0');
const sized = (body: string, next: number) => `${number(next, 1)}00${number(body.length / 2 + 4, 2)}${body}`;
const chained = (bodies: readonly string[], kind: number) =>
  bodies.map((body, n) => sized(body, n < bodies.length - 1 ? kind : 0)).join('');

/** A short attribute, and a long one of four bytes. */
const tv = (type: number, value: number) => number(0x8000 | type, 2) + number(value, 2);
const tlv = (type: number, value: number) => number(type, 2) + number(4, 2) + number(value, 4);

const transforms = (id: number, ...attributes: readonly string[][]) =>
  attributes.map((all, n) => `${number(n + 1, 1)}${number(id, 1)}0000${all.join('')}`);

const proposal = (n: number, protocol: number, spi: string, all: readonly string[]) =>
  `${number(n, 1)}${number(protocol, 1)}${number(spi.length / 2, 1)}${number(all.length, 1)}${spi}${chained(all, 3)}`;

const sa = (...proposals: readonly string[]) => `0000000100000001${chained(proposals, 2)}`;
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

/** Cipher, key bits or 0, hash, group; the authentication is a pre-shared key. */
type Suite = readonly [cipher: number, keyBits: number, hash: number, group: number];
const [DES, TRIPLE_DES, AES] = [1, 5, 7] as const;
const [MD5, SHA1, SHA256, SHA384, SHA512] = [1, 2, 4, 5, 6] as const;

const racoon = ([cipher, keyBits, hash, group]: Suite) => [
  tv(11, 1),
  tv(12, 3600),
  tv(1, cipher),
  ...(keyBits === 0 ? [] : [tv(14, keyBits)]),
  tv(3, 1),
  tv(2, hash),
  tv(4, group),
];
const windows = ([cipher, keyBits, hash, group]: Suite) => [
  tv(1, cipher),
  ...(keyBits === 0 ? [] : [tv(14, keyBits)]),
  tv(2, hash),
  tv(4, group),
  tv(3, 1),
  tv(11, 1),
  tlv(12, 28_800),
];
const strongswan = ([cipher, keyBits, hash, group]: Suite) => [
  tv(1, cipher),
  ...(keyBits === 0 ? [] : [tv(14, keyBits)]),
  tv(2, hash),
  tv(4, group),
  tv(3, 1),
];

const phase1 = (attributes: (suite: Suite) => string[], suites: readonly Suite[]) =>
  bytes(sa(proposal(1, 1, '', transforms(1, ...suites.map(attributes)))));

const windowsPhase1 = phase1(windows, [
  [AES, 256, SHA1, 20],
  [AES, 128, SHA1, 19],
  [AES, 256, SHA1, 14],
  [TRIPLE_DES, 0, SHA1, 14],
  [TRIPLE_DES, 0, SHA1, 2],
]);

const windowsVendorIds = [
  '01528bbbc00696121849ab9a1c5b2a5100000001',
  '1e2b516905991c7d7c96fcbfb587e46100000009',
  '4a131c81070358455c5728f20e95452f',
  '90cb80913ebb696e086381b5ec427b1f',
  '4048b7d56ebce88525e7de7f00d6c2d3',
  'fb1de3cdf341b7ea16b7e5be0855f120',
  '26244d38eddb61b3172a36e3d0cfb819',
  'e3a5966a76379fe707228231e5ce8652',
].map(bytes);

/** The first message of Windows 10, 408 bytes: as many as logs of it say. */
const windowsFirstMessage = bytes(
  [
    `${'a1'.repeat(8)}${'00'.repeat(8)}0110020000000000${number(408, 4)}`,
    sized(Buffer.from(windowsPhase1).toString('hex'), 13),
    ...windowsVendorIds.map((id, n) => sized(Buffer.from(id).toString('hex'), n < 7 ? 13 : 0)),
  ].join(''),
);

/** Bodies of the SA payload. */
export const phase1Offers = {
  windows: windowsPhase1,
  apple: phase1(racoon, [
    ...[SHA256, SHA1, MD5, SHA512].map((hash) => [AES, 256, hash, 14] as const),
    ...[SHA256, SHA1, MD5].map((hash) => [AES, 256, hash, 5] as const),
    ...[SHA256, SHA1, MD5].map((hash) => [AES, 256, hash, 2] as const),
    ...[SHA1, MD5].map((hash) => [AES, 128, hash, 2] as const),
    ...[SHA1, MD5].map((hash) => [TRIPLE_DES, 0, hash, 2] as const),
  ]),
  android: phase1(racoon, [
    ...[SHA384, SHA256, SHA1, MD5].map((hash) => [AES, 256, hash, 2] as const),
    ...[SHA384, SHA256, SHA1, MD5].map((hash) => [AES, 128, hash, 2] as const),
    ...[SHA1, MD5].map((hash) => [TRIPLE_DES, 0, hash, 2] as const),
    ...[SHA1, MD5].map((hash) => [DES, 0, hash, 2] as const),
  ]),
  chromeos: phase1(strongswan, [
    [AES, 128, SHA256, 15],
    [AES, 128, SHA1, 14],
    [TRIPLE_DES, 0, SHA1, 5],
    [TRIPLE_DES, 0, SHA1, 2],
  ]),
  /** The second transform is an AEAD that IKEv1 has no numbers for: no cipher, no hash. */
  debian: bytes(
    sa(
      proposal(
        1,
        1,
        '',
        transforms(1, strongswan([AES, 128, SHA256, 31]), [tv(4, 31), tv(3, 1), tv(11, 1), tv(12, 11_880)]),
      ),
    ),
  ),
} as const;

const esp = (n: number, id: number, ...attributes: readonly string[][]) =>
  proposal(n, 3, 'c0ffee01', transforms(id, ...attributes));
const windowsLife = [tv(1, 1), tlv(2, 3600), tv(1, 2), tlv(2, 250_000)];

/** Bodies of the SA payload of quick mode, with the peer's SPI c0ffee01. */
export const phase2Offers = {
  windows: (mode: number) =>
    bytes(
      sa(
        esp(1, 12, [tv(4, mode), tv(6, 128), tv(5, 2), ...windowsLife]),
        esp(2, 3, [tv(4, mode), tv(5, 2), ...windowsLife]),
        esp(3, 2, [tv(4, mode), tv(5, 2), ...windowsLife]),
      ),
    ),
  apple: (mode: number) =>
    bytes(
      sa(
        proposal(1, 3, 'c0ffee01', [
          ...transforms(
            12,
            ...[256, 128].flatMap((keyBits) =>
              [5, 2, 1].map((hash) => [tv(1, 1), tv(2, 3600), tv(4, mode), tv(6, keyBits), tv(5, hash)]),
            ),
          ),
          ...transforms(3, ...[5, 2, 1].map((hash) => [tv(1, 1), tv(2, 3600), tv(4, mode), tv(5, hash)])),
        ]),
      ),
    ),
  android: (mode: number) => {
    const life = [tv(1, 1), tv(2, 28_800), tv(4, mode)];
    const hashes = [5, 2, 1];
    return bytes(
      sa(
        proposal(1, 3, 'c0ffee01', [
          ...transforms(
            12,
            ...[256, 128].flatMap((keyBits) => hashes.map((hash) => [...life, tv(6, keyBits), tv(5, hash)])),
          ),
          ...[3, 2].flatMap((cipher) => transforms(cipher, ...hashes.map((hash) => [...life, tv(5, hash)]))),
        ]),
      ),
    );
  },
  chromeos: (mode: number) =>
    bytes(
      sa(
        proposal(1, 3, 'c0ffee01', [
          ...transforms(20, [tv(6, 128), tv(4, mode)]),
          ...transforms(12, [tv(6, 128), tv(5, 5), tv(4, mode)], [tv(6, 128), tv(5, 2), tv(4, mode)]),
          ...transforms(3, [tv(5, 2), tv(4, mode)], [tv(5, 1), tv(4, mode)]),
        ]),
      ),
    ),
  /** AH and ESP together, under one number. */
  ahAndEsp: bytes(
    sa(
      proposal(1, 2, 'c0ffee02', transforms(3, [tv(4, 2), tv(5, 2)])),
      esp(1, 12, [tv(4, 2), tv(6, 256), tv(5, 2)]),
      esp(2, 12, [tv(4, 2), tv(6, 128), tv(5, 2)]),
    ),
  ),
  reservedSpi: bytes(sa(proposal(1, 3, '000000ff', transforms(12, [tv(4, 2), tv(6, 256), tv(5, 2)])))),
  /** Extended sequence numbers (attribute 11), then a key length that is missing, then a group. */
  extended: bytes(
    sa(
      esp(1, 12, [tv(4, 2), tv(6, 256), tv(5, 2), tv(11, 1)], [tv(4, 2), tv(5, 2)]),
      esp(2, 12, [tv(4, 2), tv(6, 256), tv(5, 2), tv(3, 14)]),
    ),
  ),
} as const;

/** RFC 3947, drafts 03, 02 and 02 with a newline, fragmentation, dead peer detection. */
const racoonVendorIds = [
  '4a131c81070358455c5728f20e95452f',
  '7d9419a65310ca6f2c179d9215529d56',
  '90cb80913ebb696e086381b5ec427b1f',
  'cd60464335df21f87cfdb2fc68b6a448',
  '4048b7d56ebce88525e7de7f00d6c2d380000000',
  'afcad71368a1f1c96b8696fc77570100',
];
/** Of racoon, with Apple's "draft-ietf-ipsec-nat-t-ike" and drafts 08 to 04 between. */
export const appleVendorIds: readonly Uint8Array[] = [
  racoonVendorIds[0] ?? '',
  '4df37928e9fc4fd1b3262170d515c662',
  '8f8d83826d246b6fc7a8a6a428c11de8',
  '439b59f8ba676c4c7737ae22eab8f582',
  '4d1e0e136deafa34c4f3ea9f02ec7285',
  '80d0bb3def54565ee84645d4c85ce3ee',
  '9909b64eed937c6573de52ace952fa6b',
  ...racoonVendorIds.slice(1),
].map(bytes);
export const androidVendorIds: readonly Uint8Array[] = racoonVendorIds.map(bytes);
export const windowsPeer = { firstMessage: windowsFirstMessage, vendorIds: windowsVendorIds } as const;
