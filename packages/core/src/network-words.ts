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

function words(bytes: Uint8Array): Omit<AddressWords, 'version'> {
  const all = new Uint8Array(16);
  all.set(bytes);
  const view = new DataView(all.buffer);
  return { a: view.getInt32(0), b: view.getInt32(4), c: view.getInt32(8), d: view.getInt32(12) };
}

/** The network that an inner address lies in, as text. Throws WireError. */
export function innerNetwork(inner: { readonly address: string; readonly prefix: number }): string {
  return formatNetwork(networkOf(parseAddress(inner.address), inner.prefix));
}
