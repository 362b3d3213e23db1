/**
 * The words that proposals of IPsec are made of, as strongSwan (`aes256gcm16`, `sha256`, `modp2048`) and Libreswan (`aes_gcm256`, `sha2_256`,
 * `dh14`) write them, and what each stands for.
 *
 * Left out is what IKEv1 or we do not have, and what is broken: DES, MD5, MODP-768, no encryption, no integrity.
 */

export type KeyBytes = 16 | 24 | 32;
export type Integrity = 'sha1' | 'sha2-256' | 'sha2-256-96' | 'sha2-384' | 'sha2-512';
export type Group =
  | 'modp1024'
  | 'modp1536'
  | 'modp2048'
  | 'modp3072'
  | 'modp4096'
  | 'ecp256'
  | 'ecp384'
  | 'ecp521'
  | 'curve25519';

export type Keyword =
  | { readonly kind: 'encryption'; readonly cipher: 'aes-cbc' | 'aes-gcm-16'; readonly keyBytes: KeyBytes }
  | { readonly kind: 'encryption'; readonly cipher: '3des-cbc'; readonly keyBytes: 24 }
  | { readonly kind: 'integrity'; readonly integrity: Integrity }
  /** IKEv1 has one hash, which strongSwan may write twice. */
  | { readonly kind: 'prf'; readonly integrity: Integrity }
  | { readonly kind: 'group'; readonly group: Group }
  /** It says that there is none of something. */
  | { readonly kind: 'none' };

const integrities: Readonly<Record<string, Integrity>> = {
  sha: 'sha1',
  sha1: 'sha1',
  sha2: 'sha2-256',
  sha256: 'sha2-256',
  sha2_256: 'sha2-256',
  sha256_96: 'sha2-256-96',
  sha2_256_96: 'sha2-256-96',
  sha384: 'sha2-384',
  sha2_384: 'sha2-384',
  sha512: 'sha2-512',
  sha2_512: 'sha2-512',
};

/** Libreswan's `dh` and `ecp_` come to these names before. */
const groups: Readonly<Record<string, Group>> = {
  modp1024: 'modp1024',
  dh2: 'modp1024',
  modp1536: 'modp1536',
  dh5: 'modp1536',
  modp2048: 'modp2048',
  dh14: 'modp2048',
  modp3072: 'modp3072',
  dh15: 'modp3072',
  modp4096: 'modp4096',
  dh16: 'modp4096',
  ecp256: 'ecp256',
  ecp_256: 'ecp256',
  dh19: 'ecp256',
  ecp384: 'ecp384',
  ecp_384: 'ecp384',
  dh20: 'ecp384',
  ecp521: 'ecp521',
  ecp_521: 'ecp521',
  dh21: 'ecp521',
  curve25519: 'curve25519',
  x25519: 'curve25519',
  dh31: 'curve25519',
};

const nones: ReadonlySet<string> = new Set(['none', 'modpnone', 'noesn']);

/** Without a length AES has 128 bits, and AES-GCM a tag of 128: the only one that we have. */
const aesCbc = /^aes(?:_?cbc)?_?(128|192|256)?$/;
const aesGcm = /^aes(?:(128|192|256)gcm(?:16|128)?|_gcm(?:_c|_16)?(?:_?(128|192|256))?)$/;

/** Undefined for what is not done, and for what is no word of proposals. */
export function keywordOf(word: string): Keyword | undefined {
  if (nones.has(word)) return { kind: 'none' };
  if (word === '3des') return { kind: 'encryption', cipher: '3des-cbc', keyBytes: 24 };
  const cbc = aesCbc.exec(word);
  if (cbc !== null) return { kind: 'encryption', cipher: 'aes-cbc', keyBytes: keyBytesOf(cbc[1]) };
  const gcm = aesGcm.exec(word);
  if (gcm !== null) return { kind: 'encryption', cipher: 'aes-gcm-16', keyBytes: keyBytesOf(gcm[1] ?? gcm[2]) };
  const group = Object.hasOwn(groups, word) ? groups[word] : undefined;
  if (group !== undefined) return { kind: 'group', group };
  const [, prf = '', name = ''] = /^(prf)?(.*)$/.exec(word) ?? [];
  const integrity = Object.hasOwn(integrities, name) ? integrities[name] : undefined;
  return integrity && { kind: prf === '' ? 'integrity' : 'prf', integrity };
}

function keyBytesOf(bits = '128'): KeyBytes {
  return bits === '256' ? 32 : bits === '192' ? 24 : 16;
}
