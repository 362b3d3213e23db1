/** IKE and ESP as sans-IO machines. */
export type { ChildSa, EspAlgorithms, EspKeys, EspMode, TrafficSelector } from './child-sa.ts';
export { createKeyAgreement, groupNumbers, type IkeGroup, type KeyAgreement, publicValueBytes } from './ike/groups.ts';
export { digest, hashBytes, type IkeHash, prf } from './ike/prf.ts';
export { CipherChain, type IkeCipher } from './ike/v1/cipher-chain.ts';
export { COOKIE_BYTES, Exchange, Flag, HEADER_BYTES, type Header, type ReceivedHeader } from './ike/v1/header.ts';
export { decodeMessage, encodeEncrypted, encodeMessage, type ReceivedMessage } from './ike/v1/message.ts';
export { natDetectionHash } from './ike/v1/nat-detection.ts';
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
export {
  type AuthenticatedByHash,
  derivePhase1Keys,
  type Phase1Inputs,
  type Phase1Keys,
  phase1Hash,
  phase2Hash1,
  phase2Hash2,
  phase2Hash3,
} from './ike/v1/phase1-keys.ts';
export { deriveEspKeys, type KeymatInputs } from './ike/v1/phase2-keys.ts';
export { type Attribute, IPSEC_DOI, type Proposal, ProtocolId, type Transform } from './ike/v1/security-association.ts';
export { signRsa, verifyRsa } from './ike/v1/signature.ts';
