/** Phase 1: which of the peer's transforms is taken, and what we offer (RFC 2409, appendix A; INTEROP of the native clients). */
import { makeTransform, type Proposal, ProtocolId, type Transform } from './sa-payload.ts';

export type Authentication = 'pre-shared-key' | 'rsa-signature' | 'ecdsa-256' | 'ecdsa-384' | 'ecdsa-521';
export type IkeHash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

export interface Phase1Suite {
  readonly encryption: 'aes' | '3des';
  readonly keyBytes: number;
  readonly hash: IkeHash;
  /** By its IKE number. */
  readonly group: number;
  readonly authentication: Authentication;
}

export interface Phase1Choice {
  readonly suite: Phase1Suite;
  readonly proposal: Proposal;
  readonly transform: Transform;
  /** Undefined when the peer names none. */
  readonly lifeSeconds: number | undefined;
}

export interface AlgorithmPolicy {
  /** Also 3DES, MODP-1536 and MODP-1024: weak, for old Androids and Windows. @default false */
  readonly weak?: boolean | undefined;
  /** HMAC-SHA-256 cut to 96 bits, as old Androids do. @default false */
  readonly truncatedSha256?: boolean | undefined;
}

const Attribute = {
  encryption: 1,
  hash: 2,
  authentication: 3,
  group: 4,
  lifeType: 11,
  lifeDuration: 12,
  keyLength: 14,
};
const KEY_IKE = 1;
const AES_CBC = 7;
const TRIPLE_DES = 5;
const LIFE_SECONDS = 1;

const hashes: ReadonlyMap<number, IkeHash> = new Map([
  [4, 'sha256'],
  [5, 'sha384'],
  [6, 'sha512'],
  [2, 'sha1'],
]);
const authentications: ReadonlyMap<number, Authentication> = new Map([
  [1, 'pre-shared-key'],
  [3, 'rsa-signature'],
  [9, 'ecdsa-256'],
  [10, 'ecdsa-384'],
  [11, 'ecdsa-521'],
]);
/** Best first. Elliptic curves cost a tenth of MODP. */
const strongGroups = [20, 19, 31, 21, 15, 16, 14];
const weakGroups = [5, 2];
const groupNames: ReadonlyMap<number, string> = new Map([
  [1, 'MODP768'],
  [2, 'MODP1024'],
  [5, 'MODP1536'],
  [14, 'MODP2048'],
  [15, 'MODP3072'],
  [16, 'MODP4096'],
  [19, 'ECP256'],
  [20, 'ECP384'],
  [21, 'ECP521'],
  [31, 'CURVE25519'],
]);

/** The best of the peer's transforms that we take; undefined: none. Transforms that make no sense are passed over. */
export function choosePhase1(
  proposals: readonly Proposal[],
  authentication: ReadonlySet<Authentication>,
  policy: AlgorithmPolicy,
): Phase1Choice | undefined {
  let best: Phase1Choice | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const proposal of proposals) {
    if (proposal.protocol !== ProtocolId.isakmp) continue;
    for (const transform of proposal.transforms) {
      const suite = suiteOf(transform);
      if (suite === undefined || !authentication.has(suite.authentication)) continue;
      const rank = rankOf(suite, policy);
      if (rank === undefined || rank >= bestRank) continue;
      best = { suite, proposal, transform, lifeSeconds: lifeOf(transform) };
      bestRank = rank;
    }
  }
  return best;
}

/** What we offer, in the order of preference: strongest first, down to what Windows and SoftEther have. */
export function offerPhase1(authentication: Authentication, lifeSeconds: number, policy: AlgorithmPolicy): Proposal {
  const suites: [number, number, number, number][] = [
    [AES_CBC, 256, 4, 20],
    [AES_CBC, 256, 4, 14],
    [AES_CBC, 128, 4, 19],
    [AES_CBC, 256, 2, 20],
    [AES_CBC, 256, 2, 14],
    [AES_CBC, 128, 2, 14],
  ];
  if (policy.weak) suites.push([AES_CBC, 256, 2, 2], [TRIPLE_DES, 0, 2, 14], [TRIPLE_DES, 0, 2, 2]);
  const method = [...authentications].find(([, name]) => name === authentication)?.[0] ?? 1;
  const transforms = suites.map(([encryption, bits, hash, group], i) => {
    const attributes: [number, number][] = [[Attribute.encryption, encryption]];
    if (bits > 0) attributes.push([Attribute.keyLength, bits]);
    attributes.push([Attribute.hash, hash], [Attribute.group, group], [Attribute.authentication, method]);
    attributes.push([Attribute.lifeType, LIFE_SECONDS], [Attribute.lifeDuration, lifeSeconds]);
    return makeTransform(i + 1, KEY_IKE, attributes);
  });
  return { number: 1, protocol: ProtocolId.isakmp, spi: new Uint8Array(0), transforms };
}

/** "AES256-SHA256-MODP2048-pre-shared-key": each transform of an offer, for people. */
export function describePhase1(proposals: readonly Proposal[]): string {
  return proposals.flatMap(({ transforms }) => transforms.map(describe)).join(', ');
}

function describe({ attributes }: Transform): string {
  const get = (type: number) => attributes.get(type);
  const encryption = get(Attribute.encryption);
  const cipher =
    encryption === AES_CBC
      ? `AES${get(Attribute.keyLength) ?? ''}`
      : encryption === TRIPLE_DES
        ? '3DES'
        : `cipher ${encryption}`;
  const hash = get(Attribute.hash) ?? 0;
  const group = get(Attribute.group) ?? 0;
  const method = get(Attribute.authentication) ?? 0;
  const hashName = hash === 1 ? 'MD5' : (hashes.get(hash)?.toUpperCase() ?? `hash ${hash}`);
  return `${cipher}-${hashName}-${groupNames.get(group) ?? `group ${group}`}-${authentications.get(method) ?? `auth ${method}`}`;
}

function suiteOf({ id, attributes }: Transform): Phase1Suite | undefined {
  if (id !== KEY_IKE) return undefined;
  const encryption = attributes.get(Attribute.encryption);
  const hash = hashes.get(attributes.get(Attribute.hash) ?? 0);
  const authentication = authentications.get(attributes.get(Attribute.authentication) ?? 0);
  const group = attributes.get(Attribute.group);
  if (hash === undefined || authentication === undefined || group === undefined) return undefined;
  if (encryption === TRIPLE_DES) return { encryption: '3des', keyBytes: 24, hash, group, authentication };
  const bits = attributes.get(Attribute.keyLength);
  if (encryption !== AES_CBC || (bits !== 128 && bits !== 192 && bits !== 256)) return undefined;
  return { encryption: 'aes', keyBytes: bits / 8, hash, group, authentication };
}

/** Lower is better. Undefined: refused. */
function rankOf({ encryption, keyBytes, hash, group }: Phase1Suite, policy: AlgorithmPolicy): number | undefined {
  const allowed = policy.weak ? [...strongGroups, ...weakGroups] : strongGroups;
  const groupRank = allowed.indexOf(group);
  if (groupRank < 0 || (encryption === '3des' && !policy.weak)) return undefined;
  const cipherRank = encryption === '3des' ? 3 : (32 - keyBytes) / 8;
  return groupRank * 100 + cipherRank * 10 + [...hashes.values()].indexOf(hash);
}

function lifeOf({ attributes }: Transform): number | undefined {
  if (attributes.get(Attribute.lifeType) !== LIFE_SECONDS) return undefined;
  return attributes.get(Attribute.lifeDuration);
}
