/** The gateway's configuration file, clients' profiles and key files: parse, check, print. */
export { parseAppleProfile, printAppleProfile } from './apple-profile.ts';
export type { ReadInput } from './check-files.ts';
export { ConfigError } from './errors.ts';
export type { GatewayConfig } from './gateway-schema.ts';
export { offered, weakProposals } from './ipsec-proposals.ts';
export type { L2tpConnection, L2tpProfile, PemAuth, PortableAuth } from './l2tp-profile.ts';
export { checkGatewayConfig, gatewayJsonSchema, type LoadedConfig, loadGatewayConfig } from './load-gateway-config.ts';
export { parseNetworkManagerL2tp, printNetworkManagerL2tp } from './network-manager-l2tp.ts';
export type { VpnNetwork } from './network-manager-network.ts';
export { parseNetworkManagerPptp, printNetworkManagerPptp } from './network-manager-pptp.ts';
export {
  makeTlsCryptV2ClientKey,
  makeTlsCryptV2ServerKey,
  parseStaticKey,
  parseTlsCryptV2ClientKey,
  parseTlsCryptV2ServerKey,
  printTlsCryptV2ClientKey,
  printTlsCryptV2ServerKey,
  timeMetadata,
} from './openvpn-keys.ts';
export {
  emptyOpenvpnProfile,
  type OpenvpnProfile,
  type OpenvpnRemote,
  type ProfileCredentials,
  type ProfileFile,
  type ProfileRoute,
  type ProfileWrap,
} from './openvpn-profile.ts';
export { type ParsedProfile, parseOpenvpnProfile } from './openvpn-profile-parse.ts';
export { printOpenvpnProfile } from './openvpn-profile-print.ts';
export type { PptpProfile } from './pptp-profile.ts';
export { presharedKeyOf } from './preshared-key.ts';
export { formatProblem, type ParsedProfileOf, type Problem } from './problem.ts';
export { printWindowsProfile } from './windows-profile.ts';
