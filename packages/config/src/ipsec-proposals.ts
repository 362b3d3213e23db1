/**
 * Proposals of IPsec as a connection lists them (`aes256-sha1-modp2048,aes128-sha1-modp2048!`): what IKEv1 can offer of them.
 *
 * What is listed is offered, in its order, and nothing else, with `!` at the end and without. Words are those of `ipsec-keywords.ts`. As in
 * strongSwan the first of a kind counts, since a transform of IKEv1 has one of each.
 */
import { type Group, type KeyBytes, type Keyword, keywordOf } from './ipsec-keywords.ts';

/** Of phase 1. */
export interface IkeAlgorithms {
  readonly cipher: 'aes-cbc' | '3des-cbc';
  readonly keyBytes: KeyBytes;
  readonly hash: 'sha1' | 'sha2-256' | 'sha2-384' | 'sha2-512';
  readonly group: Group;
}

/** Of phase 2. */
export type EspAlgorithms =
  | { readonly encryption: 'aes-gcm-16'; readonly keyBytes: KeyBytes }
  | { readonly encryption: 'aes-cbc'; readonly keyBytes: KeyBytes; readonly integrity: EspIntegrity }
  | { readonly encryption: '3des-cbc'; readonly keyBytes: 24; readonly integrity: EspIntegrity };

type EspIntegrity = (typeof espIntegrities)[keyof typeof espIntegrities];

export interface Proposal<Algorithms> {
  /** As it is written. */
  readonly text: string;
  readonly algorithms: Algorithms;
  /** By 3DES (RFC 8429), or a Diffie-Hellman group below 2048 bits (RFC 8247, section 2.4). */
  readonly isWeak: boolean;
}

export type IkeProposal = Proposal<IkeAlgorithms>;

export interface EspProposal extends Proposal<EspAlgorithms> {
  /** For perfect forward secrecy; undefined: none. One is common to all. */
  readonly group: Group | undefined;
}

/** Undefined: whatever is good. Never empty. */
export interface IpsecProposals {
  readonly ike: readonly IkeProposal[] | undefined;
  readonly esp: readonly EspProposal[] | undefined;
}

/** What is offered of a list, and what is not. */
export interface ReadProposals<Each> {
  readonly proposals: readonly Each[];
  readonly leftOut: readonly LeftOut[];
}

interface LeftOut {
  readonly text: string;
  /** "blowfish128 is not done" */
  readonly why: string;
}

/** So that a list fits into one message of IKE. */
const MOST = 64;

const weakGroups: ReadonlySet<Group> = new Set(['modp1024', 'modp1536']);

const espIntegrities = {
  sha1: 'hmac-sha1-96',
  'sha2-256': 'hmac-sha2-256-128',
  'sha2-256-96': 'hmac-sha2-256-96',
  'sha2-384': 'hmac-sha2-384-192',
  'sha2-512': 'hmac-sha2-512-256',
} as const;

/** Never throws. */
export function readIkeProposals(text: string): ReadProposals<IkeProposal> {
  return read(text, ({ encryption, integrity, prf, group }) => {
    const hash = integrity ?? prf;
    if (encryption === undefined) return 'it names no encryption, such as aes256';
    if (encryption.cipher === 'aes-gcm-16') return 'IKEv1 has no AES-GCM in phase 1';
    if (hash === undefined) return 'it names no hash, such as sha256';
    if (hash === 'sha2-256-96') return 'phase 1 has no hash that is cut to 96 bits';
    if (prf !== undefined && prf !== hash) return 'IKEv1 has one hash in phase 1';
    if (group === undefined) return 'it names no Diffie-Hellman group, such as modp2048';
    const { cipher, keyBytes } = encryption;
    return { algorithms: { cipher, keyBytes, hash, group }, isWeak: isWeak(cipher, group) };
  });
}

/** Never throws. */
export function readEspProposals(text: string): ReadProposals<EspProposal> {
  const { proposals, leftOut } = read(text, ({ encryption, integrity, group }) => {
    if (encryption === undefined) return 'it names no encryption, such as aes256';
    const algorithms = espAlgorithmsOf(encryption, integrity);
    return typeof algorithms === 'string'
      ? algorithms
      : { algorithms, group, isWeak: isWeak(encryption.cipher, group) };
  });
  const { group } = proposals.find(({ isWeak: weak }) => !weak) ?? proposals[0] ?? {};
  const others = proposals
    .filter((proposal) => proposal.group !== group)
    .map(({ text: other }) => {
      return { text: other, why: `another Diffie-Hellman group than ${group ?? 'none'}, and a quick mode has one` };
    });
  return { proposals: proposals.filter((proposal) => proposal.group === group), leftOut: [...leftOut, ...others] };
}

/** Without the weak ones, unless their user was told of them. */
export function offered<Each extends Proposal<unknown>>(
  proposals: readonly Each[] | undefined,
  acceptInsecure: boolean,
): readonly Each[] | undefined {
  return acceptInsecure ? proposals : proposals?.filter(({ isWeak: weak }) => !weak);
}

/** The lists in which nothing is good, as text; undefined where there is none. */
export function weakProposals({ ike, esp }: IpsecProposals): string | undefined {
  const found = [ike, esp].filter((list) => list?.every(({ isWeak: weak }) => weak));
  return found.length === 0 ? undefined : found.map((list) => printProposals(list)).join(' and ');
}

export function printProposals(list: readonly Proposal<unknown>[] | undefined): string | undefined {
  return list?.map(({ text }) => text).join(',');
}

/** One proposal by the kinds of its words. */
interface Words {
  readonly encryption: Extract<Keyword, { kind: 'encryption' }> | undefined;
  readonly integrity: Extract<Keyword, { kind: 'integrity' }>['integrity'] | undefined;
  readonly prf: Extract<Keyword, { kind: 'integrity' }>['integrity'] | undefined;
  readonly group: Group | undefined;
}

/** What `make` makes of each proposal, but for those of which it says why not, and those that are on the list before. */
function read<Made extends Omit<Proposal<unknown>, 'text'>>(
  text: string,
  make: (words: Words) => Made | string,
): ReadProposals<Made & { readonly text: string }> {
  const proposals: (Made & { readonly text: string })[] = [];
  const leftOut: LeftOut[] = [];
  const seen = new Set<string>();
  for (const proposal of splitProposals(text)) {
    const words = readWords(proposal);
    const made = typeof words === 'string' ? words : make(words);
    if (typeof made === 'string') {
      leftOut.push({ text: proposal, why: made });
      continue;
    }
    const key = JSON.stringify(made).replace('sha2-256-96', 'sha2-256-128');
    if (seen.has(key)) leftOut.push({ text: proposal, why: 'to a server it is the same as one before it' });
    else if (proposals.length >= MOST) leftOut.push({ text: proposal, why: `${MOST} are before it` });
    else proposals.push({ ...made, text: proposal });
    seen.add(key);
  }
  return { proposals, leftOut };
}

function splitProposals(text: string): string[] {
  const [, list = ''] = /^\s*(.*?)\s*!?\s*$/s.exec(text.toLowerCase()) ?? [];
  return list
    .split(',')
    .map((proposal) => proposal.trim())
    .filter((proposal) => proposal !== '');
}

/** Libreswan puts `;` before the group. Instead of words: why these are not done. */
function readWords(proposal: string): Words | string {
  const words: { -readonly [Kind in keyof Words]: Words[Kind] } = {
    encryption: undefined,
    integrity: undefined,
    prf: undefined,
    group: undefined,
  };
  for (const word of proposal.split(/[-;]/)) {
    const keyword = keywordOf(word);
    // AES-GCM without integrity, as Libreswan says it.
    if (word === 'null' && words.encryption?.cipher === 'aes-gcm-16') continue;
    if (keyword === undefined) return `${JSON.stringify(word)} is nothing that is done here`;
    if (keyword.kind === 'encryption') words.encryption ??= keyword;
    else if (keyword.kind === 'group') words.group ??= keyword.group;
    else if (keyword.kind !== 'none') words[keyword.kind] ??= keyword.integrity;
  }
  return words;
}

function espAlgorithmsOf(
  encryption: Extract<Keyword, { kind: 'encryption' }>,
  integrity: keyof typeof espIntegrities | undefined,
): EspAlgorithms | string {
  if (encryption.cipher === 'aes-gcm-16') {
    if (integrity !== undefined) return 'AES-GCM has its own integrity';
    return { encryption: encryption.cipher, keyBytes: encryption.keyBytes };
  }
  if (integrity === undefined) return 'it names no integrity, such as sha256';
  const name = espIntegrities[integrity];
  if (encryption.cipher === '3des-cbc') return { encryption: '3des-cbc', keyBytes: 24, integrity: name };
  return { encryption: 'aes-cbc', keyBytes: encryption.keyBytes, integrity: name };
}

function isWeak(cipher: string, group: Group | undefined): boolean {
  return cipher === '3des-cbc' || (group !== undefined && weakGroups.has(group));
}
