/**
 * Vendor ids (RFC 2408, section 3.16): what a peer is and what it can. Most are the MD5 of a sentence; some have a version behind it.
 *
 * The sentences are in RFC 3947, section 3.1, in its drafts and in MS-IKEE, section 1.7; RFC 3706, section 5.1 and XAuth made up their
 * bytes. A vendor id that is not in the table means nothing.
 */
import type { NatFlavour } from './nat-detection.ts';

/** As they are sent; a peer's may have more bytes behind. */
const ids = {
  natRfc3947: '4a131c81070358455c5728f20e95452f',
  natDraft03: '7d9419a65310ca6f2c179d9215529d56',
  natDraft02: 'cd60464335df21f87cfdb2fc68b6a448',
  /** Of the sentence with a newline behind it, which is what most sent as draft 02. */
  natDraft02Newline: '90cb80913ebb696e086381b5ec427b1f',
  natDraft01: '16f6ca16e4a4066d83821a0f0aeaa862',
  natDraft00: '4485152d18b6bbcd0be8a8469579ddcc',
  /** "draft-ietf-ipsec-nat-t-ike" without a number: Apple's. */
  natApple: '4df37928e9fc4fd1b3262170d515c662',
  natDraft04: '9909b64eed937c6573de52ace952fa6b',
  natDraft05: '80d0bb3def54565ee84645d4c85ce3ee',
  natDraft06: '4d1e0e136deafa34c4f3ea9f02ec7285',
  natDraft07: '439b59f8ba676c4c7737ae22eab8f582',
  natDraft08: '8f8d83826d246b6fc7a8a6a428c11de8',
  deadPeerDetection: 'afcad71368a1f1c96b8696fc77570100',
  fragmentation: '4048b7d56ebce88525e7de7f00d6c2d3',
  /** "MS NT5 ISAKMPOAKLEY"; a version of 4 bytes follows: 8 is Windows 7, 9 is 8 and later. */
  microsoft: '1e2b516905991c7d7c96fcbfb587e461',
  microsoftKeyModules: '01528bbbc00696121849ab9a1c5b2a51',
  microsoftNegotiationDiscovery: 'fb1de3cdf341b7ea16b7e5be0855f120',
  microsoftInitialContact: '26244d38eddb61b3172a36e3d0cfb819',
  microsoftCga: 'e3a5966a76379fe707228231e5ce8652',
  xauth: '09002689dfd6b712',
  /** Two bytes of version follow. */
  ciscoUnity: '12f5f28c457168a9702d9fe274cc',
  racoon: '7003cbc1097dbe9c2600ba6983bc8b35',
} as const;

export type VendorIdName = keyof typeof ids;

/** NAT traversal, best first. Drafts 00 and 01 never move to port 4500, so they are recognized and not used. */
const natFlavours: readonly (readonly [VendorIdName, NatFlavour])[] = [
  ['natRfc3947', 'rfc'],
  ['natDraft03', 'draft'],
  ['natDraft02Newline', 'draft'],
  ['natDraft02', 'draft'],
  ['natDraft08', 'apple'],
  ['natDraft07', 'apple'],
  ['natDraft06', 'apple'],
  ['natDraft05', 'apple'],
  ['natDraft04', 'apple'],
  ['natApple', 'apple'],
];

/** What a peer's vendor ids switch on. */
export interface PeerAbilities {
  /** Those that are in the table. */
  readonly recognized: readonly VendorIdName[];
  /** The best that the peer has, with the vendor id that answers it: one alone, since some peers mix up what they see two of. */
  readonly nat: { readonly flavour: NatFlavour; readonly answer: VendorIdName } | undefined;
  readonly deadPeerDetection: boolean;
  /** It takes fragments of Microsoft's kind. */
  readonly fragmentation: boolean;
  /** The version behind "MS NT5 ISAKMPOAKLEY"; 0 where there is none, nothing for others than Windows. */
  readonly windows: number | undefined;
}

export function peerAbilities(vendorIds: readonly Uint8Array[]): PeerAbilities {
  const texts = vendorIds.map((id) => Buffer.from(id).toString('hex'));
  const names = Object.keys(ids) as VendorIdName[];
  const recognized = names.filter((name) => texts.some((text) => text.startsWith(ids[name])));
  const nat = natFlavours.find(([name]) => recognized.includes(name));
  const windows = texts.find((text) => text.startsWith(ids.microsoft));
  return {
    recognized,
    nat: nat && { flavour: nat[1], answer: nat[0] },
    deadPeerDetection: recognized.includes('deadPeerDetection'),
    fragmentation: recognized.includes('fragmentation'),
    windows: windows === undefined ? undefined : Number.parseInt(`0${windows.slice(ids.microsoft.length, 40)}`, 16),
  };
}

/** The data of the payload. FRAGMENTATION says by 80000000 that fragments are taken in main mode. */
export function vendorId(name: VendorIdName): Uint8Array {
  return Uint8Array.from(Buffer.from(name === 'fragmentation' ? `${ids.fragmentation}80000000` : ids[name], 'hex'));
}

/** What this end sends first. */
export const initiatorVendorIds: readonly VendorIdName[] = [
  'natRfc3947',
  'natDraft02Newline',
  'deadPeerDetection',
  'fragmentation',
];

/** What this end answers: nothing that the peer did not say. */
export function responderVendorIds({ nat, deadPeerDetection, fragmentation }: PeerAbilities): readonly VendorIdName[] {
  const names: VendorIdName[] = nat === undefined ? [] : [nat.answer];
  if (deadPeerDetection) names.push('deadPeerDetection');
  if (fragmentation) names.push('fragmentation');
  return names;
}
