/** IKE and ESP as sans-IO machines. */
export type { ChildSa, EspAlgorithms, EspKeys, EspMode, TrafficSelector } from './child-sa.ts';
export {
  type Arrived,
  matchesSelectors,
  sortDatagram,
  spiOf,
  UDP_HEADER_BYTES,
  writeUdpHeader,
} from './esp/datagram.ts';
export type { SaChain } from './esp/sa-chain.ts';
export { SaDatabase, type SaEvent } from './esp/sa-database.ts';
export type { SaPair } from './esp/sa-pair.ts';
export { TunnelSelectors } from './esp/tunnel-selectors.ts';
export { subjectOf } from './ike/certificate-names.ts';
export { createKeyAgreement, groupNumbers, type IkeGroup, type KeyAgreement, publicValueBytes } from './ike/groups.ts';
export { digest, hashBytes, type IkeHash, prf } from './ike/prf.ts';
export { fullSecret, type KeyPairKind, keyPairKind, publicKeyOf, publicValueOf } from './ike/public-keys.ts';
export type { Lifetimes } from './ike/v1/attributes.ts';
export type { IkeCipher } from './ike/v1/cbc.ts';
export { type Identification, IdentityType } from './ike/v1/identification.ts';
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
export { workDropped } from './ike/v1/machine/face.ts';
export { exchangeKeys, type KeyExchange, type KeyExchangeResult } from './ike/v1/machine/key-exchange.ts';
export { type NatFlavour, natDetectionHash } from './ike/v1/nat-detection.ts';
export { type NoneChosen, sideBySide } from './ike/v1/offers.ts';
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
  type Phase1Algorithms,
  type Phase1Chosen,
  type Phase1Policy,
  type Phase1Suite,
  phase1Name,
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
  espName,
  espOffer,
  type Phase2Chosen,
  type Phase2Policy,
  type Phase2Terms,
  phase2Offer,
} from './ike/v1/phase2-proposal.ts';
export { type Attribute, IPSEC_DOI, type Proposal, ProtocolId, type Transform } from './ike/v1/security-association.ts';
export { authenticationHash, type SignatureMethod, signatureMethod, signHash, verifyHash } from './ike/v1/signature.ts';
export {
  initiatorVendorIds,
  type PeerAbilities,
  peerAbilities,
  responderVendorIds,
  type VendorIdName,
  vendorId,
} from './ike/v1/vendor-id.ts';
export { Telling } from './telling.ts';
