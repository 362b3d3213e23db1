/** The Point-to-Point Protocol as sans-IO machines, both roles. */
export type { AuthClaim, AuthEvent, AuthMachine, AuthMaterial, AuthRefusal, AuthVerdict } from './auth/machine.ts';
export { ntPasswordHash, verifyMsChapV2, withoutDomain } from './auth/mschapv2.ts';
export {
  type AuthMethod,
  type ClientAuthOptions,
  clientAuth,
  type EapMethod,
  type ServerAuthOptions,
  serverAuth,
} from './auth/offers.ts';
export type { MppeStrength, MppeTerms, MppeWish } from './ccp-policy.ts';
export type {
  AuthOffer,
  Ipv4Config,
  Ipv6Config,
  MppeDirection,
  NetworkConfig,
  PppClientOptions,
  PppEvent,
  PppServerOptions,
  PppSessionOptions,
  PppStats,
  PppTerms,
  PppVerdict,
} from './face.ts';
export { decodeFrame, encodeFrame, type Frame } from './frame.ts';
export { EVERY_CONTROL, encodeHdlc, HdlcDecoder } from './hdlc.ts';
export type { AuthName } from './lcp-policy.ts';
export {
  type ConfigOption,
  type ControlPacket,
  decodeControlPacket,
  decodeOptions,
  encodeControlPacket,
  encodeOptions,
} from './packet.ts';
export { PppProtocol } from './protocol.ts';
export { isRouterMessage } from './router/message.ts';
export { PppSession } from './session.ts';
export type { Goodbye } from './terminate.ts';
