/** Packet protection in batches: a folder a format, each native with a portable twin. */
export { CipherError } from './errors.ts';
export {
  type AeadName,
  createOpenvpnAeadKey,
  OpenReport,
  type OpenvpnAeadKey,
  type OpenvpnAeadOptions,
  overhead,
} from './openvpn/aead.ts';
export { ReplayWindow } from './replay-window.ts';
export { Join, type SkippedPackets, type Trains } from './trains.ts';
