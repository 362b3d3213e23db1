/** Proposals as strongSwan and Libreswan write them (`aes256-sha1-modp1024,3des-sha1-modp1024!`), as far as a profile's choice counts. */

export interface IpsecProposals {
  /** Of phase 1. Undefined: whatever is good. */
  readonly ike: string | undefined;
  /** Of phase 2. */
  readonly esp: string | undefined;
}

/** 3DES (RFC 8429) and Diffie-Hellman over less than 2048 bits (RFC 8247, section 2.4); DES and what is weaker still count too. */
const weak = /^(?:3?des|null|md5.*|modp(?:768|1024|1536)|dh(?:1|2|5|22))$/;

/** The proposals, where each of phase 1 or each of phase 2 is weak; undefined where something good may be chosen. */
export function weakProposals({ ike, esp }: IpsecProposals): string | undefined {
  const isWeak = (text: string | undefined) =>
    text !== undefined && listOf(text).every((proposal) => proposal.split(/[-_;]/).some((word) => weak.test(word)));
  const found = [ike, esp].filter(isWeak);
  return found.length === 0 ? undefined : found.join(' and ');
}

/** Whether ESP's HMAC-SHA-256 is to be cut to 96 bits, as old Androids do. */
export function truncatesSha256({ esp }: IpsecProposals): boolean {
  return esp !== undefined && /sha(?:2_)?256_96/.test(esp);
}

/** `!` at the end means that nothing else is to be offered. */
function listOf(text: string): string[] {
  return text
    .toLowerCase()
    .replace(/!$/, '')
    .split(',')
    .map((proposal) => proposal.trim());
}
