/** The gateway's configuration file, and OpenVPN profiles: parse, check, print. */
export type { ReadInput } from './check-files.ts';
export { ConfigError } from './errors.ts';
export type { GatewayConfig } from './gateway-schema.ts';
export { checkGatewayConfig, gatewayJsonSchema, type LoadedConfig, loadGatewayConfig } from './load-gateway-config.ts';
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
