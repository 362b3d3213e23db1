/** The files that the gateway makes. */
import type { GatewayConfig } from '@culvert/config';

export function usersFile({ state }: Pick<GatewayConfig, 'state'>): string {
  return `${state}/users.db`;
}

/** Seals what the store must be able to give back. Ours to make, or an operator's (a credential of systemd, say). */
export function secretKeyFile({ state, secretKey }: Pick<GatewayConfig, 'state' | 'secretKey'>): {
  readonly file: string;
  readonly ours: boolean;
} {
  return { file: secretKey ?? `${state}/secret.key`, ours: secretKey === undefined };
}

/** Beside the control socket, so that two gateways of one machine have two. */
export function journalFile({ control }: Pick<GatewayConfig, 'control'>): string {
  return `${control.replace(/\.sock$/, '')}.journal`;
}
