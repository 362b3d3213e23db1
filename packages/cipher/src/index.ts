/** Packet protection in batches: a folder a format, each native with a portable twin. */
export { CipherError } from './errors.ts';
export {
  type AeadName,
  createOpenvpnAeadKey,
  type OpenvpnAeadKey,
  type OpenvpnAeadOptions,
  overhead,
} from './openvpn/aead.ts';
