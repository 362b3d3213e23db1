/** The gateway's configuration file, clients' profiles and key files: parse, check, print. */
export { parseAppleProfile, printAppleProfile } from './apple-profile.ts';
export type { ReadInput } from './check-files.ts';
export { ConfigError } from './errors.ts';
export type { GatewayConfig } from './gateway-schema.ts';
export type { L2tpProfile, PortableAuth } from './l2tp-profile.ts';
export { checkGatewayConfig, gatewayJsonSchema, type LoadedConfig, loadGatewayConfig } from './load-gateway-config.ts';
export { parseNetworkManagerProfile, printNetworkManagerProfile } from './network-manager-profile.ts';
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
export { formatProblem, type Problem } from './problem.ts';
export { printWindowsProfile } from './windows-profile.ts';
