/** The table of rooms: who may import whom, and why. Imports point one way: programs, transport, protocols and core, bytes. */

export interface Room {
  /** Packages of ours. */
  readonly may: readonly string[];
  /** Packages of ours whose types alone may be imported. */
  readonly typesOf?: readonly string[];
  /** Packages of others, each with its reason. */
  readonly others?: Readonly<Record<string, string>>;
  /** Tells nothing of clock, entropy or I/O by itself: of Node only node:assert and parts of node:crypto. True for the room, or for these of its files. */
  readonly pure?: true | RegExp;
  readonly why: string;
}

const protocol = ['base', 'wire', 'cipher'];
const native = ['base', 'wire', 'cipher', 'tls', 'tun-tap', 'netio'];

export const rooms: Readonly<Record<string, Room>> = {
  base: { may: [], pure: true, why: 'shared by all, so it stands on nothing' },
  wire: { may: ['base'], pure: true, why: 'bytes and values have no state' },
  cipher: {
    may: ['base', 'wire'],
    pure: /portable/,
    why: 'protects packets; its portable twin is the oracle of the native one',
  },
  tls: { may: ['base'], why: 'an engine that protocols get handed, it knows none of them' },
  'tun-tap': { may: [], typesOf: ['base'], why: 'useful to any Node program, so it needs nothing of ours at run time' },
  netio: { may: ['base'], why: 'sockets carry bytes of any protocol' },
  openvpn: { may: protocol, typesOf: ['tls'], pure: true, why: 'machines decide, transport acts' },
  ppp: { may: protocol, typesOf: ['tls'], pure: true, why: 'the engine that PPTP and L2TP carry' },
  pptp: {
    may: ['base', 'wire'],
    pure: true,
    why: 'carries frames, whatever they are: joining it with ppp is up to the driver',
  },
  l2tp: {
    may: ['base', 'wire'],
    pure: true,
    why: 'carries frames, whatever they are, inside whatever protects it: joining it with ppp and ipsec is up to the driver',
  },
  ipsec: { may: protocol, pure: true, why: 'machines decide, transport acts' },
  core: { may: ['base', 'wire'], pure: true, why: 'forwards packets of any transport' },
  transport: {
    may: [...native, 'openvpn', 'ppp', 'pptp', 'l2tp', 'ipsec', 'core'],
    why: 'the one room where time and I/O enter',
  },
  host: { may: ['base'], why: 'changes the host for either program' },
  terminal: {
    may: ['base'],
    others: { winston: 'logs as lines or JSON', yargs: 'command lines with help' },
    why: 'what the programs share on a terminal',
  },
  pki: {
    may: ['base'],
    others: {
      '@peculiar/x509': 'X.509 with EC keys, and CRLs',
      'libsodium-wrappers': 'secretbox seals the CA key',
      'node-forge': 'PKCS#12 with RSA keys for peers that read no other',
    },
    why: 'certificates and their directory, for whoever holds the CA',
  },
  config: {
    may: ['base', 'wire'],
    others: {
      plist: "Apple's configuration profiles are property lists",
      yaml: 'keeps the line of every key',
      zod: 'shapes, and the JSON schema from them',
    },
    why: 'reads what people write; starts nothing',
  },
  store: { may: ['base'], why: 'durable state behind an interface' },
  gateway: {
    may: [...native, 'openvpn', 'ppp', 'core', 'transport', 'config', 'store', 'host', 'terminal'],
    why: 'culvertd wires all together, save the other programs and the CA',
  },
  client: {
    may: [...native, 'openvpn', 'core', 'transport', 'config', 'host', 'terminal', 'pki'],
    why: 'culvert holds no CA and no users; of pki it needs what opens PKCS#12',
  },
  ca: { may: ['base', 'pki', 'config', 'terminal'], why: 'culvert-ca runs where no network need be' },
  testkit: {
    may: ['base', 'wire', ...native, 'openvpn', 'core', 'transport', 'pki', 'config', 'store', 'host'],
    others: { 'fast-check': 'what a wrong or hostile caller gives, as arbitraries for property tests' },
    why: 'stands beside everything; only tests import it',
  },
};

/**
 * Of node:crypto, what gives the same output for the same input. Keys are read from bytes, never generated: createPrivateKey and what
 * follows it serve IKE, whose groups and RSA signatures (without random padding) node:crypto has in no other form.
 */
export const repeatableCrypto: readonly string[] = [
  'constants',
  'createCipheriv',
  'createDecipheriv',
  'createDiffieHellman',
  'createDiffieHellmanGroup',
  'createECDH',
  'createHash',
  'createHmac',
  'createPrivateKey',
  'createPublicKey',
  'createSecretKey',
  'diffieHellman',
  'getDiffieHellman',
  'hash',
  'hkdfSync',
  'privateEncrypt',
  'publicDecrypt',
  'timingSafeEqual',
];
