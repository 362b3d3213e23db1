/** culvertd, the gateway: as a class that runs in memory, and as commands. */
export { commands } from './commands/index.ts';
export { GatewayError } from './errors.ts';
export { Gateway, type GatewayOptions, type Listening } from './gateway.ts';
export type { Refusal } from './refusals.ts';
export type { GatewayStatus, SessionStatus } from './status.ts';
