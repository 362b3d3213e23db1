/** The gateway's configuration file, and OpenVPN profiles: parse, check, print. */
export type { ReadInput } from './check-files.ts';
export { ConfigError } from './errors.ts';
export type { GatewayConfig } from './gateway-schema.ts';
export { checkGatewayConfig, gatewayJsonSchema, type LoadedConfig, loadGatewayConfig } from './load-gateway-config.ts';
export { formatProblem, type Problem } from './problem.ts';
