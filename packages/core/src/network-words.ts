import { formatNetwork, type IpNetwork, type IpVersion, networkOf, parseAddress, parseNetwork } from '@culvert/wire';

/** An address as signed 32-bit words, as `PacketHeaders` has them; IPv4 is the first, the others are 0. */
export interface AddressWords {
  readonly version: IpVersion;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

export interface NetworkWords extends AddressWords {
  readonly prefix: number;
}

/** Throws WireError. */
export function addressWords(text: string): AddressWords {
  const { version, bytes } = parseAddress(text);
  return { version, ...words(bytes) };
}

/** Throws WireError. */
export function networkWords(network: string | IpNetwork): NetworkWords {
  const { address, prefix } = typeof network === 'string' ? parseNetwork(network) : network;
  return { version: address.version, prefix, ...words(address.bytes) };
}

/** The mask of word `n` (0 to 3) of a network of `prefix` bits. */
export function maskWord(prefix: number, n: number): number {
  const bits = Math.min(32, Math.max(0, prefix - n * 32));
  return bits === 0 ? 0 : (-1 << (32 - bits)) | 0;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

function words(bytes: Uint8Array): Omit<AddressWords, 'version'> {
  return { a: wordAt(bytes, 0), b: wordAt(bytes, 4), c: wordAt(bytes, 8), d: wordAt(bytes, 12) };
}

/** The network of `prefix` bits that holds `address`. */
export function networkAround({ version, a, b, c, d }: AddressWords, prefix: number): NetworkWords {
  const mask = (n: number) => maskWord(prefix, n);
  return { version, prefix, a: a & mask(0), b: b & mask(1), c: c & mask(2), d: d & mask(3) };
}

/** As `formatNetwork` spells it. */
export function networkText({ version, prefix, a, b, c, d }: NetworkWords): string {
  const bytes = new Uint8Array(version === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  const all = version === 4 ? [a] : [a, b, c, d];
  for (const [i, word] of all.entries()) view.setInt32(i * 4, word);
  return formatNetwork({ address: { version, bytes }, prefix });
}

/** The network that an inner address lies in, as text. Throws WireError. */
export function innerNetwork(inner: { readonly address: string; readonly prefix: number }): string {
  return formatNetwork(networkOf(parseAddress(inner.address), inner.prefix));
}
