/** The files that the gateway makes. */
import type { GatewayConfig } from '@culvert/config';

export function usersFile({ state }: Pick<GatewayConfig, 'state'>): string {
  return `${state}/users.db`;
}

/** Seals what the store must be able to give back. */
export function secretKeyFile({ state }: Pick<GatewayConfig, 'state'>): string {
  return `${state}/secret.key`;
}

/** Beside the control socket, so that two gateways of one machine have two. */
export function journalFile({ control }: Pick<GatewayConfig, 'control'>): string {
  return `${control.replace(/\.sock$/, '')}.journal`;
}
