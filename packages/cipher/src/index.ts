/** Packet protection in batches: a folder a format, each native with a portable twin. */
export { ecdsaSign, ecdsaVerify } from './ecdsa/ecdsa.ts';
export { failedEngines } from './engines.ts';
export { CipherError } from './errors.ts';
export {
  ESP_INNER_IP,
  type EspAlgorithms,
  type EspIntegrity,
  type EspKeys,
  espKeyLengths,
  espSealedLength,
} from './esp/algorithms.ts';
export { createEspKey, type EspKey, type EspKeyOptions } from './esp/esp.ts';
export { createEspFraming, type EspFraming, type EspFramingOptions } from './esp/framing.ts';
export { unframe } from './esp/portable-framing.ts';
export { EspReplayWindow } from './esp/replay-window.ts';
export { EspReport } from './esp/report.ts';
export {
  createMppeKey,
  type MppeFraming,
  type MppeKey,
  type MppeOptions,
  type MppeStrength,
  mppeKeyLength,
  mppeOverhead,
} from './mppe/mppe.ts';
export { MppeReport } from './mppe/report.ts';
export { mostSkipped } from './mppe/skip.ts';
export {
  type AeadName,
  createOpenvpnAeadKey,
  type OpenvpnAeadKey,
  type OpenvpnAeadOptions,
  openvpnAeadKeys,
  overhead,
} from './openvpn/aead.ts';
export { OpenReport } from './openvpn/open-report.ts';
export { ReplayWindow } from './replay-window.ts';
export { createTlsCrypt, TLS_CRYPT_KEY_BYTES, TLS_CRYPT_TAG_BYTES, type TlsCrypt } from './tls-crypt/tls-crypt.ts';
export { Join, type SkippedPackets, type Trains } from './trains/face.ts';
export { createTrains } from './trains/trains.ts';
