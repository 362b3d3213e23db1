/** Proposals of quick mode for ESP (RFC 2407, sections 4.4.4 and 4.5; RFC 3602, RFC 4106, RFC 4868; modes in UDP by RFC 3947, section 5.1). */
import type { EspAlgorithms, EspIntegrity, EspMode } from '../../child-sa.ts';
import { groupNumbers, type IkeGroup } from '../groups.ts';
import { attributeValue, hasOnly, type Lifetimes, lifetimeAttributes, lifetimesOf } from './attributes.ts';
import type { NoneChosen } from './offers.ts';
import { type Proposal, ProtocolId, type Transform } from './security-association.ts';

/** Values of the attribute Encapsulation Mode. The drafts of RFC 3947 numbered the modes in UDP from the private range. */
export const Encapsulation = {
  tunnel: 1,
  transport: 2,
  udpTunnel: 3,
  udpTransport: 4,
  udpTunnelDraft: 61_443,
  udpTransportDraft: 61_444,
} as const;

export interface Phase2Policy {
  /** Best first. */
  readonly algorithms: readonly EspAlgorithms[];
  /** Of `Encapsulation`. */
  readonly encapsulations: readonly number[];
  /** Groups that are accepted where the peer wants perfect forward secrecy. */
  readonly groups: readonly IkeGroup[];
  readonly requirePfs: boolean;
}

export interface Phase2Chosen {
  readonly kind: 'chosen';
  readonly algorithms: EspAlgorithms;
  readonly encapsulation: number;
  readonly mode: EspMode;
  readonly udpEncapsulated: boolean;
  /** For the KE payloads of this quick mode; nothing without perfect forward secrecy. */
  readonly group: IkeGroup | undefined;
  readonly lifetimes: Lifetimes;
  /** The peer's: of what goes to it. At least 256. */
  readonly spi: number;
  /** The SA payload that answers, but for the SPI: the chosen transform, alone and as it came. */
  readonly answer: (spi: Uint8Array) => readonly Proposal[];
}

/** What a client offers and then holds the answer to. */
export interface Phase2Terms {
  readonly algorithms: readonly EspAlgorithms[];
  readonly encapsulation: number;
  readonly group: IkeGroup | undefined;
}

const Class = { lifeType: 1, lifeDuration: 2, group: 3, encapsulation: 4, authentication: 5, keyLength: 6 };
const classes = Object.values(Class);
const TransformId = { tripleDes: 3, aesCbc: 12, aesGcm16: 20 };
const keySizes = [32, 24, 16] as const;
const LEAST_SPI = 256;

/** Truncated or not, SHA2-256 has one number (RFC 4868, section 3; the older Linux and Android meant 96 bits by it). */
const integrityNumbers: Readonly<Record<EspIntegrity, number>> = {
  'hmac-sha1-96': 2,
  'hmac-sha2-256-128': 5,
  'hmac-sha2-256-96': 5,
  'hmac-sha2-384-192': 6,
  'hmac-sha2-512-256': 7,
};

/**
 * What is accepted, best first. `weak` adds 3DES with SHA-1; `truncatedSha256` cuts SHA2-256 to 96 bits for whoever offers it. Without
 * integrity, with MD5, DES or NULL nothing is accepted.
 */
export function espAlgorithms(options: { readonly weak: boolean; readonly truncatedSha256: boolean }): EspAlgorithms[] {
  const sha256: EspIntegrity = options.truncatedSha256 ? 'hmac-sha2-256-96' : 'hmac-sha2-256-128';
  const integrities: readonly EspIntegrity[] = [sha256, 'hmac-sha2-512-256', 'hmac-sha2-384-192', 'hmac-sha1-96'];
  return [
    ...keySizes.map((keyBytes) => ({ encryption: 'aes-gcm-16', keyBytes }) as const),
    ...keySizes.flatMap((keyBytes) =>
      integrities.map((integrity) => ({ encryption: 'aes-cbc', keyBytes, integrity }) as const),
    ),
    ...(options.weak ? [{ encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' } as const] : []),
  ];
}

/** What a client offers: SoftEther has SHA-1 alone, strongSwan and libreswan AES-GCM. */
export function espOffer(weak: boolean): readonly EspAlgorithms[] {
  return [
    { encryption: 'aes-gcm-16', keyBytes: 32 },
    { encryption: 'aes-gcm-16', keyBytes: 16 },
    { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-256-128' },
    { encryption: 'aes-cbc', keyBytes: 16, integrity: 'hmac-sha2-256-128' },
    { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha1-96' },
    { encryption: 'aes-cbc', keyBytes: 16, integrity: 'hmac-sha1-96' },
    ...(weak ? [{ encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' } as const] : []),
  ];
}

/**
 * Passed over are proposals that want AH beside ESP (several with one number), SPIs that are reserved, and transforms that lack an
 * attribute or have one that is unknown, extended sequence numbers among them.
 */
export function choosePhase2(offer: readonly Proposal[], policy: Phase2Policy): Phase2Chosen | NoneChosen {
  const alone = offer.filter(({ number }) => offer.filter((other) => other.number === number).length === 1);
  for (const algorithms of policy.algorithms) {
    for (const proposal of alone) {
      const transform = proposal.transforms.find((each) => fits(each, algorithms, policy));
      const chosen = transform && chosenOf(proposal, transform, algorithms);
      if (chosen !== undefined) return chosen;
    }
  }
  return { kind: 'none', offered: describe(offer), accepted: describePolicy(policy) };
}

/** What a client sends: one proposal with its SPI, a transform an algorithm. */
export function phase2Offer(terms: Phase2Terms, spi: Uint8Array, lifeSeconds: number): readonly Proposal[] {
  const transforms = terms.algorithms.map((algorithms, n) => ({
    number: n + 1,
    id: transformIdOf(algorithms),
    attributes: [
      ...(algorithms.encryption === '3des-cbc' ? [] : [{ type: Class.keyLength, value: algorithms.keyBytes * 8 }]),
      ...(algorithms.encryption === 'aes-gcm-16'
        ? []
        : [{ type: Class.authentication, value: integrityNumbers[algorithms.integrity] }]),
      { type: Class.encapsulation, value: terms.encapsulation },
      ...(terms.group === undefined ? [] : [{ type: Class.group, value: groupNumbers[terms.group] }]),
      ...lifetimeAttributes(Class.lifeType, Class.lifeDuration, { seconds: lifeSeconds }),
    ],
  }));
  return [{ number: 1, protocol: ProtocolId.esp, spi, transforms }];
}

/** What the responder took of that. One that answers with more or something else than was offered gets nothing. */
export function acceptedPhase2(answer: readonly Proposal[], terms: Phase2Terms): Phase2Chosen | NoneChosen {
  const policy = {
    algorithms: terms.algorithms,
    encapsulations: [terms.encapsulation],
    groups: terms.group === undefined ? [] : [terms.group],
    requirePfs: terms.group !== undefined,
  };
  const single = answer.length === 1 && answer[0]?.transforms.length === 1;
  return choosePhase2(single ? answer : [], policy);
}

function chosenOf(proposal: Proposal, transform: Transform, algorithms: EspAlgorithms): Phase2Chosen | undefined {
  const spi = proposal.spi.reduce((sum, byte) => sum * 256 + byte, 0);
  if (proposal.protocol !== ProtocolId.esp || proposal.spi.length !== 4 || spi < LEAST_SPI) return undefined;
  const encapsulation = attributeValue(transform, Class.encapsulation) ?? Encapsulation.tunnel;
  const transport: readonly number[] = [
    Encapsulation.transport,
    Encapsulation.udpTransport,
    Encapsulation.udpTransportDraft,
  ];
  return {
    kind: 'chosen',
    algorithms,
    encapsulation,
    mode: transport.includes(encapsulation) ? 'transport' : 'tunnel',
    udpEncapsulated: encapsulation > Encapsulation.transport,
    group: groupOf(transform),
    lifetimes: lifetimesOf(transform, Class.lifeType, Class.lifeDuration),
    spi,
    answer: (own) => [{ ...proposal, spi: own, transforms: [transform] }],
  };
}

function fits(transform: Transform, algorithms: EspAlgorithms, policy: Phase2Policy): boolean {
  const keyBits = attributeValue(transform, Class.keyLength);
  const integrity = algorithms.encryption === 'aes-gcm-16' ? undefined : integrityNumbers[algorithms.integrity];
  // 3DES has one key length, which nobody needs to say.
  const rightKey =
    keyBits === algorithms.keyBytes * 8 || (keyBits === undefined && algorithms.encryption === '3des-cbc');
  return (
    transform.id === transformIdOf(algorithms) &&
    hasOnly(transform, classes) &&
    rightKey &&
    attributeValue(transform, Class.authentication) === integrity &&
    policy.encapsulations.includes(attributeValue(transform, Class.encapsulation) ?? 0) &&
    rightGroup(transform, policy)
  );
}

function rightGroup(transform: Transform, { groups, requirePfs }: Phase2Policy): boolean {
  if (attributeValue(transform, Class.group) === undefined) return !requirePfs;
  const group = groupOf(transform);
  return group !== undefined && groups.includes(group);
}

function groupOf(transform: Transform): IkeGroup | undefined {
  const number = attributeValue(transform, Class.group);
  return (Object.keys(groupNumbers) as IkeGroup[]).find((group) => groupNumbers[group] === number);
}

function transformIdOf({ encryption }: EspAlgorithms): number {
  if (encryption === 'aes-gcm-16') return TransformId.aesGcm16;
  return encryption === 'aes-cbc' ? TransformId.aesCbc : TransformId.tripleDes;
}

/** "aes256-sha2-256" */
export function espName(algorithms: EspAlgorithms): string {
  if (algorithms.encryption === 'aes-gcm-16') return `aes${algorithms.keyBytes * 8}gcm16`;
  const cipher = algorithms.encryption === '3des-cbc' ? '3des' : `aes${algorithms.keyBytes * 8}`;
  return `${cipher}-${algorithms.integrity}`;
}

function describePolicy({ algorithms, encapsulations, groups, requirePfs }: Phase2Policy): readonly string[] {
  const pfs = groups.length === 0 ? 'no PFS' : `${requirePfs ? '' : 'no PFS or '}PFS ${groups.join('|')}`;
  const modes = encapsulations.map((value) => encapsulationName(value)).join('|');
  return algorithms.map(espName).map((name, n, all) => (n < all.length - 1 ? name : `${name} (${modes}, ${pfs})`));
}

function describe(offer: readonly Proposal[]): readonly string[] {
  return offer.flatMap(({ protocol, transforms }) =>
    transforms.map((transform) => {
      if (protocol !== ProtocolId.esp) return protocol === ProtocolId.ah ? 'AH' : `protocol ${protocol}`;
      const ciphers: Record<number, string> = { 2: 'des', 3: '3des', 11: 'null', 12: 'aes', 20: 'aesgcm16-' };
      const hashes: Record<number, string> = { 1: 'md5', 2: 'sha1', 5: 'sha2-256', 6: 'sha2-384', 7: 'sha2-512' };
      const cipher = ciphers[transform.id] ?? `transform ${transform.id} `;
      const authentication = attributeValue(transform, Class.authentication);
      const integrity = authentication === undefined ? '' : `-${hashes[authentication] ?? authentication}`;
      const group = attributeValue(transform, Class.group);
      const pfs = group === undefined ? 'no PFS' : `PFS ${groupOf(transform) ?? `group ${group}`}`;
      const mode = encapsulationName(attributeValue(transform, Class.encapsulation));
      return `${cipher}${attributeValue(transform, Class.keyLength) ?? ''}${integrity} (${mode}, ${pfs})`;
    }),
  );
}

function encapsulationName(value: number | undefined): string {
  const [name] = Object.entries(Encapsulation).find(([, each]) => each === value) ?? [];
  return name ?? (value === undefined ? 'no mode' : `mode ${value}`);
}
