/** Bytes and values: no state, no clock. */
export {
  addressAt,
  contains,
  formatAddress,
  formatNetwork,
  type IpAddress,
  type IpNetwork,
  type IpVersion,
  netmask,
  networkOf,
  parseAddress,
  parseNetwork,
  prefixOfNetmask,
} from './address.ts';
export { WireError } from './errors.ts';
export { Reader } from './reader.ts';
export { Writer } from './writer.ts';
