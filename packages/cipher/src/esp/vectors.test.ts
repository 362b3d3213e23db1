/** Packets that others published. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import { batchOf, packetsOf } from '../../test/packets.ts';
import { createEspKey, type EspAlgorithms, EspReplayWindow, EspReport } from '../index.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const implementations = ['native', 'portable'] as const;
const ICMP = 1;
const IPV4 = 4;

interface Vector {
  readonly name: string;
  readonly keyBytes: 16 | 24 | 32;
  /** With the salt, where there is one. */
  readonly key: string;
  readonly nextHeader: number;
  readonly packet: string;
  readonly payload: string;
  /** The whole sequence number, where it is extended. */
  readonly sequence?: readonly [high: number, low: number];
}

/** RFC 3602, section 4, cases 5 to 8: the RFC's packets have no ICV, so one of ours goes behind them. */
const cbc: readonly Vector[] = [
  {
    name: 'case 5, a ping in transport mode',
    keyBytes: 16,
    key: '90d382b410eeba7ad938c46cec1a82bf',
    nextHeader: ICMP,
    packet: `0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4
      898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6`,
    payload: `08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627
      28292a2b2c2d2e2f3031323334353637`,
  },
  {
    name: 'case 6, a ping of 20 bytes in transport mode',
    keyBytes: 16,
    key: '90d382b410eeba7ad938c46cec1a82bf',
    nextHeader: ICMP,
    packet: `000043210000000869d08df7d203329db093fc4924e5bd80f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca3
      46a89f75`,
    payload: '0800b5e8a80a0500a69c083d0b660e00777777777777777777777777',
  },
  {
    name: 'case 7, a ping in tunnel mode',
    keyBytes: 16,
    key: '0123456789abcdef0123456789abcdef',
    nextHeader: IPV4,
    packet: `0000876500000002f4e765244f6407adf13dc1380f673f37773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1
      a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a
      109e0ca1e4dfe9d5a100b842f1c22f0d`,
    payload: `45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f1011121314151617
      18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637`,
  },
  {
    name: 'case 8, a ping of 40 bytes in tunnel mode',
    keyBytes: 16,
    key: '0123456789abcdef0123456789abcdef',
    nextHeader: IPV4,
    packet: `000087650000000585d47224b5f3dd5d2101d4ea8dffab2215b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc
      61203bb50f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892`,
    payload: `45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300${'ff'.repeat(32)}`,
  },
];

/** draft-mcgrew-gcm-test-01, section 4. */
const gcm: readonly Vector[] = [
  {
    name: 'AES-128, an address record asked for',
    keyBytes: 16,
    key: 'feffe9928665731c6d6a8f9467308308cafebabe',
    nextHeader: ICMP,
    packet: `0000a5f80000000afacedbaddecaf888deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827
      c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a`,
    payload: `4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000037369700963796265726369
      747902646b0000010001`,
  },
  {
    name: 'AES-192, an acknowledgement of TCP',
    keyBytes: 24,
    key: 'feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe',
    nextHeader: ICMP,
    packet: `0000a5f80000000afacedbaddecaf888a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b2745
      2144cc7795457b9652037f5318027b5b4cd7a636`,
    payload: '45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d07568',
  },
  {
    name: 'AES-256, the first packet of TCP',
    keyBytes: 32,
    key: 'abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344',
    nextHeader: ICMP,
    packet: `4a2cbfe3000000020102030405060708ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a6379
      85771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96`,
    payload: '4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402',
  },
  {
    name: 'AES-128 with ESN, a service record asked for',
    keyBytes: 16,
    key: '4c80cdefbb5d10da906ac73c3613a6342e443b68',
    nextHeader: ICMP,
    packet: `00004321000000004956ed7e3b244cfefecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f
      14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4`,
    payload: `45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963
      796265726369747902646b0000210001`,
    sequence: [0x8765_4321, 0],
  },
  {
    name: 'AES-128 with ESN, a router asked for',
    keyBytes: 16,
    key: '3de09874b388e6491988d0c3607eae1f57690e43',
    nextHeader: ICMP,
    packet: `42f67e3f101010104e280000a2fca1a3fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed369f071f35e034be
      95f112e4e7d05d35`,
    payload: '4500001c42a200008001441f406793b6e00000020a00f5ff',
    sequence: [0x1010_1010, 0x1010_1010],
  },
];

function opened(vector: Vector, implementation: (typeof implementations)[number], algorithms: EspAlgorithms, icv = '') {
  const packet = Buffer.concat([hex(vector.packet), hex(icv)]);
  const { sequence } = vector;
  const esn = sequence !== undefined;
  const integrityKey = algorithms.encryption === 'aes-gcm-16' ? new Uint8Array() : integrity;
  const keys = { spi: packet.readUInt32BE(0), encryptionKey: hex(vector.key), integrityKey };
  const replay = new EspReplayWindow({ esn });
  // Sequence numbers beyond 2 ** 53 are set where the window has them.
  if (sequence !== undefined) replay.state.set([0xffff_fff0, (sequence[0] - 1) >>> 0]);
  const dst = createPacketBatch(1, 1_000);
  const report = new Uint32Array(EspReport.words);
  const key = createEspKey({ algorithms, keys, esn, implementation });
  key.open(batchOf([packet]), 0, 1, dst, replay, vector.nextHeader, report);
  return packetsOf(dst);
}

const integrity = Buffer.alloc(20, 7);

for (const implementation of implementations) {
  for (const vector of cbc) {
    test(`${implementation}: AES-CBC is that of RFC 3602, ${vector.name}`, () => {
      const algorithms = { encryption: 'aes-cbc', keyBytes: vector.keyBytes, integrity: 'hmac-sha1-96' } as const;
      const mac = createHmac('sha1', integrity).update(hex(vector.packet)).digest('hex').slice(0, 24);
      assert.deepEqual(opened(vector, implementation, algorithms, mac), [hex(vector.payload)]);
    });
  }
}

for (const vector of gcm) {
  // The portable twin counts to 2 ** 53.
  for (const implementation of vector.sequence === undefined ? implementations : (['native'] as const)) {
    test(`${implementation}: AES-GCM is that of draft-mcgrew-gcm-test-01: ${vector.name}`, () => {
      const algorithms = { encryption: 'aes-gcm-16', keyBytes: vector.keyBytes } as const;
      assert.deepEqual(opened(vector, implementation, algorithms), [hex(vector.payload)]);
    });
  }
}
