/** The Point-to-Point Protocol as sans-IO machines, both roles. */
export type { AuthClaim, AuthEvent, AuthMachine, AuthMaterial, AuthRefusal, AuthVerdict } from './auth/machine.ts';
export { decodeFrame, encodeFrame, type Frame } from './frame.ts';
export {
  type ConfigOption,
  type ControlPacket,
  decodeControlPacket,
  decodeOptions,
  encodeControlPacket,
  encodeOptions,
} from './packet.ts';
export { PppProtocol } from './protocol.ts';
