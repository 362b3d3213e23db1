/** IKE and ESP as sans-IO machines. */
export type { ChildSa, EspAlgorithms, EspKeys, EspMode, TrafficSelector } from './child-sa.ts';
export { type Arrived, matchesSelectors, sortDatagram } from './esp/datagram.ts';
export { createKeyAgreement, groupNumbers, type IkeGroup, type KeyAgreement, publicValueBytes } from './ike/groups.ts';
export { digest, hashBytes, type IkeHash, prf } from './ike/prf.ts';
export type { Lifetimes } from './ike/v1/attributes.ts';
export { CipherChain, type IkeCipher } from './ike/v1/cipher-chain.ts';
export { FragmentAssembler, splitMessage } from './ike/v1/fragment.ts';
export { COOKIE_BYTES, Exchange, Flag, HEADER_BYTES, type Header, type ReceivedHeader } from './ike/v1/header.ts';
export { IkeEndpoint } from './ike/v1/machine/endpoint.ts';
export type {
  ChildRequest,
  ConnectOptions,
  IkeEvent,
  IkeFailure,
  IkeOptions,
  IkeWork,
  IkeWorkResult,
  OwnCertificate,
} from './ike/v1/machine/face.ts';
export { exchangeKeys } from './ike/v1/machine/key-exchange.ts';
export { decodeMessage, encodeEncrypted, encodeMessage, type ReceivedMessage } from './ike/v1/message.ts';
export { natDetectionHash } from './ike/v1/nat-detection.ts';
export { type NoneChosen, sideBySide } from './ike/v1/offers.ts';
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
export {
  type Authentication,
  acceptedPhase1,
  choosePhase1,
  type Phase1Chosen,
  type Phase1Policy,
  type Phase1Suite,
  phase1Offer,
  phase1Policy,
  phase1Suites,
} from './ike/v1/phase1-proposal.ts';
export { deriveEspKeys, type KeymatInputs } from './ike/v1/phase2-keys.ts';
export {
  acceptedPhase2,
  choosePhase2,
  Encapsulation,
  espAlgorithms,
  espOffer,
  type Phase2Chosen,
  type Phase2Policy,
  type Phase2Terms,
  phase2Offer,
} from './ike/v1/phase2-proposal.ts';
export { type Attribute, IPSEC_DOI, type Proposal, ProtocolId, type Transform } from './ike/v1/security-association.ts';
export { authenticationHash, signRsa, verifyRsa } from './ike/v1/signature.ts';
export {
  initiatorVendorIds,
  type PeerAbilities,
  peerAbilities,
  responderVendorIds,
  type VendorIdName,
  vendorId,
} from './ike/v1/vendor-id.ts';
