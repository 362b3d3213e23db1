/** Proposals of phase 1 (RFC 2409, appendix A): which of the peer's transforms is taken, and what is offered to a peer. */
import { groupNumbers, type IkeGroup } from '../groups.ts';
import type { IkeHash } from '../prf.ts';
import { attributeValue, hasOnly, type Lifetimes, lifetimeAttributes, lifetimesOf } from './attributes.ts';
import type { IkeCipher } from './cbc.ts';
import type { NoneChosen } from './offers.ts';
import { type Proposal, ProtocolId, type Transform } from './security-association.ts';

export type Authentication = 'pre-shared-key' | 'rsa-signature' | 'ecdsa-256' | 'ecdsa-384' | 'ecdsa-521';

export interface Phase1Suite {
  readonly cipher: IkeCipher;
  readonly hash: IkeHash;
  readonly group: IkeGroup;
  readonly authentication: Authentication;
}

/** A suite as people choose it: how the peers prove themselves is another choice. */
export interface Phase1Algorithms {
  readonly cipher: IkeCipher['name'];
  /** 3DES has 24. */
  readonly keyBytes: 16 | 24 | 32;
  readonly hash: IkeHash;
  readonly group: IkeGroup;
}

/** What is accepted, each list best first; of two transforms the better cipher decides, then the hash, the group, the authentication. */
export interface Phase1Policy {
  /** These alone, the best first, whatever the lists below say of their algorithms. */
  readonly only?: readonly Phase1Algorithms[] | undefined;
  readonly ciphers: readonly IkeCipher[];
  readonly hashes: readonly IkeHash[];
  readonly groups: readonly IkeGroup[];
  readonly authentications: readonly Authentication[];
}

export interface Phase1Chosen {
  readonly kind: 'chosen';
  readonly suite: Phase1Suite;
  readonly lifetimes: Lifetimes;
  /** The SA payload that answers: the chosen transform, alone and as it came. */
  readonly answer: readonly Proposal[];
}

/** Attribute classes (RFC 2409, appendix A). */
const Class = { encryption: 1, hash: 2, authentication: 3, group: 4, lifeType: 11, lifeDuration: 12, keyLength: 14 };
const classes = Object.values(Class);
const KEY_IKE = 1;

const aes = (keyBytes: 16 | 24 | 32): IkeCipher => ({ name: 'aes-cbc', keyBytes, blockBytes: 16 });
const tripleDes: IkeCipher = { name: '3des-cbc', keyBytes: 24, blockBytes: 8 };
const cipherNumbers = { 'aes-cbc': 7, '3des-cbc': 5 } as const;
const hashNumbers = { sha1: 2, 'sha2-256': 4, 'sha2-384': 5, 'sha2-512': 6 } as const;
const authenticationNumbers = {
  'pre-shared-key': 1,
  'rsa-signature': 3,
  'ecdsa-256': 9,
  'ecdsa-384': 10,
  'ecdsa-521': 11,
} as const;

/**
 * What an end accepts: it serves Windows, Apple, NetworkManager and ChromeOS. `weak` adds 3DES, MODP-1536 and MODP-1024, which old
 * Androids need; DES, MD5 and MODP-768 are never accepted.
 */
export function phase1Policy(
  authentications: readonly Authentication[],
  weak: boolean,
  only?: readonly Phase1Algorithms[],
): Phase1Policy {
  return {
    only,
    ciphers: [aes(32), aes(24), aes(16), ...(weak ? [tripleDes] : [])],
    hashes: ['sha2-256', 'sha2-384', 'sha2-512', 'sha1'],
    groups: [
      ...(['ecp384', 'ecp256', 'ecp521', 'curve25519', 'modp3072', 'modp4096', 'modp2048'] as const),
      ...(weak ? (['modp1536', 'modp1024'] as const) : []),
    ],
    authentications,
  };
}

/**
 * What a client offers, best first. SoftEther takes the first that it knows; most take what they like best. Behind what nearly every server has
 * comes each cipher, hash and group that we take with what servers of one suite have it with: not every combination, so that the first message
 * stays in one datagram that no path cuts (1,280 bytes), and has no more transforms than servers know of other clients.
 */
export function phase1Suites(authentication: Authentication, weak: boolean): readonly Phase1Suite[] {
  const suite = (cipher: IkeCipher, hash: IkeHash, group: IkeGroup): Phase1Suite => ({
    cipher,
    hash,
    group,
    authentication,
  });
  return [
    suite(aes(32), 'sha2-256', 'ecp384'),
    suite(aes(32), 'sha2-256', 'ecp256'),
    suite(aes(32), 'sha2-256', 'modp2048'),
    suite(aes(32), 'sha1', 'ecp384'),
    suite(aes(32), 'sha1', 'modp2048'),
    suite(aes(16), 'sha1', 'modp2048'),
    ...(['modp3072', 'modp4096', 'ecp521', 'curve25519'] as const).map((group) => suite(aes(32), 'sha2-256', group)),
    ...(['ecp384', 'modp3072', 'modp2048'] as const).map((group) => suite(aes(32), 'sha2-384', group)),
    ...(['ecp521', 'modp4096', 'modp2048'] as const).map((group) => suite(aes(32), 'sha2-512', group)),
    ...(['modp3072', 'modp2048'] as const).map((group) => suite(aes(24), 'sha2-256', group)),
    ...(['ecp256', 'curve25519', 'modp3072', 'modp2048'] as const).map((group) => suite(aes(16), 'sha2-256', group)),
    suite(aes(16), 'sha1', 'ecp256'),
    ...(weak ? [suite(aes(32), 'sha2-256', 'modp1536'), suite(aes(32), 'sha1', 'modp1536')] : []),
    ...(weak ? [suite(aes(16), 'sha1', 'modp1024'), suite(tripleDes, 'sha1', 'modp1024')] : []),
  ];
}

/** What a client offers where its user has chosen. */
export function chosenSuites(
  authentication: Authentication,
  only: readonly Phase1Algorithms[],
): readonly Phase1Suite[] {
  return only.map(({ cipher, keyBytes, hash, group }) => {
    return { cipher: cipher === '3des-cbc' ? tripleDes : aes(keyBytes), hash, group, authentication };
  });
}

/** A transform that lacks an attribute, or has one that is unknown, is passed over. */
export function choosePhase1(offer: readonly Proposal[], policy: Phase1Policy): Phase1Chosen | NoneChosen {
  let best: { chosen: Phase1Chosen; rank: number } | undefined;
  for (const proposal of offer) {
    for (const transform of proposal.transforms) {
      const suite = suiteOf(proposal, transform);
      const rank = suite === undefined ? undefined : rankOf(suite, policy);
      if (suite === undefined || rank === undefined || (best !== undefined && best.rank <= rank)) continue;
      best = { chosen: chosen(suite, proposal, transform), rank };
    }
  }
  return best?.chosen ?? { kind: 'none', offered: describe(offer), accepted: describePolicy(policy) };
}

/** What a client sends: one proposal, a transform a suite. */
export function phase1Offer(suites: readonly Phase1Suite[], lifeSeconds: number): readonly Proposal[] {
  const transforms = suites.map(({ cipher, hash, group, authentication }, n) => ({
    number: n + 1,
    id: KEY_IKE,
    attributes: [
      { type: Class.encryption, value: cipherNumbers[cipher.name] },
      ...(cipher.name === 'aes-cbc' ? [{ type: Class.keyLength, value: cipher.keyBytes * 8 }] : []),
      { type: Class.hash, value: hashNumbers[hash] },
      { type: Class.group, value: groupNumbers[group] },
      { type: Class.authentication, value: authenticationNumbers[authentication] },
      ...lifetimeAttributes(Class.lifeType, Class.lifeDuration, { seconds: lifeSeconds }),
    ],
  }));
  return [{ number: 1, protocol: ProtocolId.isakmp, spi: new Uint8Array(), transforms }];
}

/** What the responder took of that. One that answers with more or something else than was offered gets nothing. */
export function acceptedPhase1(answer: readonly Proposal[], suites: readonly Phase1Suite[]): Phase1Chosen | NoneChosen {
  const [proposal, ...others] = answer;
  const [transform, ...more] = proposal?.transforms ?? [];
  if (proposal !== undefined && transform !== undefined && others.length === 0 && more.length === 0) {
    const suite = suiteOf(proposal, transform);
    const name = suite && phase1Name(suite);
    if (suite !== undefined && suites.some((own) => phase1Name(own) === name))
      return chosen(suite, proposal, transform);
  }
  return { kind: 'none', offered: describe(answer), accepted: suites.map(phase1Name) };
}

function chosen(suite: Phase1Suite, proposal: Proposal, transform: Transform): Phase1Chosen {
  const lifetimes = lifetimesOf(transform, Class.lifeType, Class.lifeDuration);
  return { kind: 'chosen', suite, lifetimes, answer: [{ ...proposal, transforms: [transform] }] };
}

function suiteOf({ protocol }: Proposal, transform: Transform): Phase1Suite | undefined {
  if (protocol !== ProtocolId.isakmp || transform.id !== KEY_IKE || !hasOnly(transform, classes)) return undefined;
  const cipher = cipherOf(attributeValue(transform, Class.encryption), attributeValue(transform, Class.keyLength));
  const hash = nameFor(hashNumbers, attributeValue(transform, Class.hash));
  const group = nameFor(groupNumbers, attributeValue(transform, Class.group));
  const authentication = nameFor(authenticationNumbers, attributeValue(transform, Class.authentication));
  if (!cipher || !hash || !group || !authentication) return undefined;
  return { cipher, hash, group, authentication };
}

function cipherOf(number: number | undefined, keyBits: number | undefined): IkeCipher | undefined {
  if (number === cipherNumbers['3des-cbc']) return keyBits === undefined || keyBits === 192 ? tripleDes : undefined;
  if (number !== cipherNumbers['aes-cbc']) return undefined;
  return [aes(32), aes(24), aes(16)].find(({ keyBytes }) => keyBytes * 8 === keyBits);
}

/** Smaller is better; nothing for what the policy does not accept. */
function rankOf(suite: Phase1Suite, policy: Phase1Policy): number | undefined {
  if (policy.only !== undefined && policy.authentications.includes(suite.authentication)) {
    const { name: cipher, keyBytes } = suite.cipher;
    const place = policy.only.findIndex(
      (each) =>
        each.cipher === cipher && each.keyBytes === keyBytes && each.hash === suite.hash && each.group === suite.group,
    );
    return place === -1 ? undefined : place;
  }
  const places = [
    policy.ciphers.findIndex(({ name, keyBytes }) => name === suite.cipher.name && keyBytes === suite.cipher.keyBytes),
    policy.hashes.indexOf(suite.hash),
    policy.groups.indexOf(suite.group),
    policy.authentications.indexOf(suite.authentication),
  ];
  return places.includes(-1) ? undefined : places.reduce((rank, place) => rank * 32 + place, 0);
}

function nameFor<Name extends string>(numbers: Readonly<Record<Name, number>>, value: number | undefined) {
  return (Object.keys(numbers) as Name[]).find((name) => numbers[name] === value);
}

/** "aes256-sha1-modp2048 (pre-shared-key)" */
export function phase1Name({ cipher, hash, group, authentication }: Phase1Suite): string {
  return `${cipherName(cipher)}-${hash}-${group} (${authentication})`;
}

function cipherName({ name, keyBytes }: IkeCipher): string {
  return name === '3des-cbc' ? '3des' : `aes${keyBytes * 8}`;
}

function describePolicy({ only, ciphers, hashes, groups, authentications }: Phase1Policy): readonly string[] {
  if (only !== undefined)
    return authentications.flatMap((authentication) => chosenSuites(authentication, only).map(phase1Name));
  const lists = [ciphers.map(cipherName), hashes, groups].map((names) => names.join('|'));
  return [`${lists.join(' - ')} (${authentications.join('|')})`];
}

/** Also of what is never accepted, by name where peers are known to offer it. */
function describe(offer: readonly Proposal[]): readonly string[] {
  return offer.flatMap(({ transforms }) =>
    transforms.map((transform) => {
      const part = (what: keyof typeof Class, known: Readonly<Record<string, number>>) => {
        const value = attributeValue(transform, Class[what]);
        return value === undefined ? `no ${what}` : (nameFor(known, value) ?? `${what} ${value}`);
      };
      const bits = attributeValue(transform, Class.keyLength) ?? '';
      const encryption = part('encryption', { des: 1, blowfish: 3, '3des': 5, cast: 6, aes: 7 });
      const hash = part('hash', { md5: 1, ...hashNumbers });
      const group = part('group', { modp768: 1, ...groupNumbers });
      return `${encryption}${bits}-${hash}-${group} (${part('authentication', authenticationNumbers)})`;
    }),
  );
}
