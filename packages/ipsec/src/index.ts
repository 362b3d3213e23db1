/** IKE and ESP as sans-IO machines. */
export type { ChildSa, EspAlgorithms, EspKeys, EspMode, TrafficSelector } from './child-sa.ts';
export { COOKIE_BYTES, Exchange, Flag, HEADER_BYTES, type Header, type ReceivedHeader } from './ike/v1/header.ts';
export { decodeMessage, encodeEncrypted, encodeMessage, type ReceivedMessage } from './ike/v1/message.ts';
export {
  CertificateEncoding,
  decodePayloads,
  encodePayloadBody,
  encodePayloads,
  type Fragment,
  type Identification,
  IdentityType,
  type NatFlavour,
  type NatOriginalAddress,
  type Notification,
  NotifyType,
  type Payload,
  type PayloadChain,
  PayloadType,
  type ReceivedPayload,
} from './ike/v1/payload.ts';
export { type Attribute, IPSEC_DOI, type Proposal, ProtocolId, type Transform } from './ike/v1/security-association.ts';
