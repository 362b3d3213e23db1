import { contains, parseAddress, parseNetwork } from '@culvert/wire';
import type { PresharedKey } from './options.ts';

/** Finds the key for a peer's address: of the longest prefix that it lies in, else the one for everyone else. Throws WireError for what is no network. */
export function presharedKeyFinder(keys: readonly PresharedKey[]): (address: string) => Uint8Array | undefined {
  const everyone = keys.find(({ network }) => network === undefined)?.key;
  const networks = keys
    .flatMap(({ network, key }) => (network === undefined ? [] : [{ network: parseNetwork(network), key }]))
    .sort((a, b) => b.network.prefix - a.network.prefix);
  return (text) => {
    const address = parseAddress(text.split('%')[0] ?? '');
    return networks.find(({ network }) => contains(network, address))?.key ?? everyone;
  };
}
