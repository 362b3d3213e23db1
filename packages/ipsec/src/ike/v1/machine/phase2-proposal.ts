/** Phase 2: which of the peer's ESP transforms is taken, and what we offer (RFC 2407, section 4.5; RFC 3947, section 5.1). */
import type { EspAlgorithms, EspIntegrity, EspMode } from '../../../child-sa.ts';
import type { AlgorithmPolicy } from './phase1-proposal.ts';
import { makeTransform, type Proposal, ProtocolId, type Transform } from './sa-payload.ts';

/** How NAT traversal is spoken: RFC 3947, its drafts 02 and 03, or Apple's reading of the first draft. */
export type NatDialect = 'rfc' | 'draft' | 'apple';

export interface Phase2Choice {
  readonly proposal: Proposal;
  readonly transform: Transform;
  readonly algorithms: EspAlgorithms;
  readonly mode: EspMode;
  readonly udpEncapsulated: boolean;
  /** Undefined: without perfect forward secrecy. */
  readonly group: number | undefined;
  readonly lifeSeconds: number | undefined;
  readonly lifeKilobytes: number | undefined;
}

export interface Phase2Wishes extends AlgorithmPolicy {
  /** There is a NAT, or UDP is forced: ESP as protocol 50 would not arrive. */
  readonly encapsulate: boolean;
  readonly tunnel: boolean;
}

const Attribute = { lifeType: 1, lifeDuration: 2, group: 3, mode: 4, integrity: 5, keyLength: 6 };
const TransformId = { tripleDes: 3, aesCbc: 12, aesGcm16: 20 };
const LIFE_SECONDS = 1;
const LIFE_KILOBYTES = 2;
const strongGroups = new Set([14, 15, 16, 19, 20, 21, 31]);
const weakGroups = new Set([2, 5]);

const modes: ReadonlyMap<number, readonly [EspMode, boolean]> = new Map([
  [1, ['tunnel', false]],
  [2, ['transport', false]],
  [3, ['tunnel', true]],
  [4, ['transport', true]],
  [61_443, ['tunnel', true]],
  [61_444, ['transport', true]],
]);

export function choosePhase2(proposals: readonly Proposal[], wishes: Phase2Wishes): Phase2Choice | undefined {
  let best: Phase2Choice | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const proposal of proposals) {
    // A bundle, ESP and AH say, has several proposals of one number: they go together, and we have no AH.
    if (proposals.some((other) => other !== proposal && other.number === proposal.number)) continue;
    if (proposal.protocol !== ProtocolId.esp || proposal.spi.length !== 4) continue;
    for (const transform of proposal.transforms) {
      const choice = read(proposal, transform, wishes);
      const rank = choice && rankOf(choice, wishes);
      if (choice === undefined || rank === undefined || rank >= bestRank) continue;
      best = choice;
      bestRank = rank;
    }
  }
  return best;
}

export interface Phase2Offer extends AlgorithmPolicy {
  readonly spi: Uint8Array;
  readonly mode: EspMode;
  /** Undefined: no encapsulation in UDP. */
  readonly nat: NatDialect | undefined;
  readonly group: number | undefined;
  readonly lifeSeconds: number;
}

/** One proposal a cipher, since SoftEther and Windows take the first that they know. */
export function offerPhase2({ spi, mode, nat, group, lifeSeconds, weak }: Phase2Offer): Proposal[] {
  const ciphers: [number, number, number | undefined][] = [
    [TransformId.aesGcm16, 256, undefined],
    [TransformId.aesCbc, 256, 5],
    [TransformId.aesCbc, 128, 5],
    [TransformId.aesCbc, 256, 2],
    [TransformId.aesCbc, 128, 2],
  ];
  if (weak) ciphers.push([TransformId.tripleDes, 0, 2]);
  return ciphers.map(([id, bits, integrity], i) => {
    const attributes: [number, number][] = [];
    if (bits > 0) attributes.push([Attribute.keyLength, bits]);
    if (integrity !== undefined) attributes.push([Attribute.integrity, integrity]);
    if (group !== undefined) attributes.push([Attribute.group, group]);
    attributes.push([Attribute.mode, modeNumber(mode, nat)]);
    attributes.push([Attribute.lifeType, LIFE_SECONDS], [Attribute.lifeDuration, lifeSeconds]);
    return { number: i + 1, protocol: ProtocolId.esp, spi, transforms: [makeTransform(1, id, attributes)] };
  });
}

export function describePhase2(proposals: readonly Proposal[]): string {
  return proposals.flatMap(({ protocol, transforms }) => transforms.map((t) => describe(protocol, t))).join(', ');
}

/** Bytes of the keying material of one direction: encryption key (and salt), then integrity key. */
export function keyLengths(algorithms: EspAlgorithms): { readonly encryption: number; readonly integrity: number } {
  if (algorithms.encryption === 'aes-gcm-16') return { encryption: algorithms.keyBytes + 4, integrity: 0 };
  return { encryption: algorithms.keyBytes, integrity: integrityKeyBytes[algorithms.integrity] };
}

const integrityKeyBytes: Readonly<Record<EspIntegrity, number>> = {
  'hmac-sha1-96': 20,
  'hmac-sha2-256-128': 32,
  'hmac-sha2-256-96': 32,
  'hmac-sha2-384-192': 48,
  'hmac-sha2-512-256': 64,
};

function read(proposal: Proposal, transform: Transform, wishes: Phase2Wishes): Phase2Choice | undefined {
  const { attributes } = transform;
  const algorithms = algorithmsOf(transform, wishes);
  const [mode, udpEncapsulated] = modes.get(attributes.get(Attribute.mode) ?? 0) ?? [];
  if (algorithms === undefined || mode === undefined || udpEncapsulated === undefined) return undefined;
  if (wishes.encapsulate && !udpEncapsulated) return undefined;
  if (mode === 'tunnel' && !wishes.tunnel) return undefined;
  const group = attributes.get(Attribute.group);
  if (group !== undefined && !strongGroups.has(group) && !(wishes.weak && weakGroups.has(group))) return undefined;
  const lifeType = attributes.get(Attribute.lifeType);
  const life = attributes.get(Attribute.lifeDuration);
  return {
    proposal,
    transform,
    algorithms,
    mode,
    udpEncapsulated,
    group,
    lifeSeconds: lifeType === LIFE_SECONDS ? life : undefined,
    lifeKilobytes: lifeType === LIFE_KILOBYTES ? life : undefined,
  };
}

function algorithmsOf({ id, attributes }: Transform, policy: AlgorithmPolicy): EspAlgorithms | undefined {
  const keyBytes = (attributes.get(Attribute.keyLength) ?? 0) / 8;
  const isAesKey = keyBytes === 16 || keyBytes === 24 || keyBytes === 32;
  if (id === TransformId.aesGcm16)
    return isAesKey && !attributes.has(Attribute.integrity) ? { encryption: 'aes-gcm-16', keyBytes } : undefined;
  const integrity = integrityOf(attributes.get(Attribute.integrity), policy);
  if (integrity === undefined) return undefined;
  if (id === TransformId.tripleDes && policy.weak) return { encryption: '3des-cbc', keyBytes: 24, integrity };
  return id === TransformId.aesCbc && isAesKey ? { encryption: 'aes-cbc', keyBytes, integrity } : undefined;
}

function integrityOf(value: number | undefined, policy: AlgorithmPolicy): EspIntegrity | undefined {
  if (value === 2) return 'hmac-sha1-96';
  if (value === 5) return policy.truncatedSha256 ? 'hmac-sha2-256-96' : 'hmac-sha2-256-128';
  if (value === 6) return 'hmac-sha2-384-192';
  return value === 7 ? 'hmac-sha2-512-256' : undefined;
}

function rankOf({ algorithms, udpEncapsulated }: Phase2Choice, wishes: Phase2Wishes): number {
  const wrongMode = udpEncapsulated === wishes.encapsulate ? 0 : 1000;
  if (algorithms.encryption === 'aes-gcm-16') return wrongMode + (32 - algorithms.keyBytes);
  const weak = algorithms.encryption === '3des-cbc' ? 500 : 100;
  return wrongMode + weak + (32 - algorithms.keyBytes) + (algorithms.integrity === 'hmac-sha1-96' ? 4 : 0);
}

function modeNumber(mode: EspMode, nat: NatDialect | undefined): number {
  const plain = mode === 'tunnel' ? 1 : 2;
  if (nat === undefined) return plain;
  return nat === 'rfc' ? plain + 2 : 61_442 + plain;
}

function describe(protocol: number, { id, attributes }: Transform): string {
  if (protocol !== ProtocolId.esp) return protocol === ProtocolId.ah ? 'AH' : `protocol ${protocol}`;
  const names: Record<number, string> = { 2: 'DES', 3: '3DES', 11: 'NULL', 12: 'AES-CBC', 20: 'AES-GCM-16' };
  const integrities: Record<number, string> = { 1: 'MD5', 2: 'SHA1', 5: 'SHA256', 6: 'SHA384', 7: 'SHA512' };
  const integrity = attributes.get(Attribute.integrity);
  const group = attributes.get(Attribute.group);
  return [
    `${names[id] ?? `cipher ${id}`}${attributes.get(Attribute.keyLength) ?? ''}`,
    ...(integrity === undefined ? [] : [integrities[integrity] ?? `auth ${integrity}`]),
    ...(group === undefined ? [] : [`group ${group}`]),
    `mode ${attributes.get(Attribute.mode) ?? '?'}`,
  ].join('-');
}
