/** Every algorithm that we take and every one that we offer, as rows of two tables, in strongSwan's names. */
import {
  type EspAlgorithms,
  espAlgorithms,
  espOffer,
  type IkeGroup,
  type Phase1Suite,
  phase1Suites,
} from '@culvert/ipsec';

export interface Row {
  readonly phase1: string;
  readonly phase2: string;
  readonly algorithms: EspAlgorithms;
  /** The group of perfect forward secrecy, as both call it. */
  readonly pfs: IkeGroup | undefined;
  readonly carriage: 'ESP' | 'ESP in UDP';
  /** The switch is on. */
  readonly weak: boolean;
}

const ciphers = ['aes256', 'aes192', 'aes128'];
const hashes = ['sha256', 'sha384', 'sha512', 'sha1'];
const groups: readonly IkeGroup[] = ['ecp384', 'ecp256', 'ecp521', 'curve25519', 'modp3072', 'modp4096', 'modp2048'];
const weakPhase1 = ['3des-sha1-modp1024', 'aes128-sha1-modp1024', 'aes256-sha256-modp1536', '3des-sha256-modp2048'];
const carriages = ['ESP', 'ESP in UDP'] as const;

/** Charon calls: each row is its one proposal. */
export function answered(): Row[] {
  const strong = espAlgorithms({ weak: false, truncatedSha256: false });
  const rows = strong.flatMap((algorithms, n) =>
    carriages.map((carriage, m): Row => {
      const turn = n * carriages.length + m;
      return {
        ...esp(algorithms, groupAt(turn)),
        phase1: [ciphers[n % 3], hashes[turn % 4], groups[turn % groups.length]].join('-'),
        carriage,
        weak: false,
      };
    }),
  );
  const tripleDes = { encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' } as const;
  const weak = weakPhase1.map((phase1, n): Row => {
    const pfs = ([undefined, 'modp1024', 'modp1536', undefined] as const)[n];
    return { ...esp(tripleDes, pfs), phase1, carriage: carriages[n % 2] ?? 'ESP', weak: true };
  });
  return [...rows, ...weak];
}

/** We call: charon knows one proposal of those that we offer. */
export function offered(): Row[] {
  const suites = phase1Suites('pre-shared-key', true).map(nameOf);
  const pairs = espOffer(true).flatMap((algorithms) => carriages.map((carriage) => ({ algorithms, carriage })));
  return Array.from({ length: Math.max(suites.length, pairs.length) }, (_, turn): Row => {
    const phase1 = suites[turn % suites.length] ?? '';
    const { algorithms, carriage } = pairs[turn % pairs.length] as (typeof pairs)[number];
    const weak = /3des|modp1024|modp1536/.test(phase1) || algorithms.encryption === '3des-cbc';
    return { ...esp(algorithms, groupAt(turn)), phase1, carriage, weak };
  });
}

/** A suite of phase 1 as strongSwan calls it. */
export function nameOf({ cipher, hash, group }: Phase1Suite): string {
  const name = cipher.name === '3des-cbc' ? '3des' : `aes${cipher.keyBytes * 8}`;
  return `${name}-${hash.replace('sha2-', 'sha')}-${group}`;
}

/** Every third has none. */
function groupAt(turn: number): IkeGroup | undefined {
  return turn % 3 === 0 ? undefined : groups[turn % groups.length];
}

const integrities = {
  'hmac-sha1-96': 'sha1',
  'hmac-sha2-256-128': 'sha256',
  'hmac-sha2-256-96': 'sha256',
  'hmac-sha2-384-192': 'sha384',
  'hmac-sha2-512-256': 'sha512',
};

function esp(algorithms: EspAlgorithms, pfs: IkeGroup | undefined): Pick<Row, 'algorithms' | 'phase2' | 'pfs'> {
  const cipher = algorithms.encryption === '3des-cbc' ? '3des' : `aes${algorithms.keyBytes * 8}`;
  const suite =
    algorithms.encryption === 'aes-gcm-16' ? `${cipher}gcm16` : `${cipher}-${integrities[algorithms.integrity]}`;
  return { algorithms, pfs, phase2: pfs === undefined ? suite : `${suite}-${pfs}` };
}
