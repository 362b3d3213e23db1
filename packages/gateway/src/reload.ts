/** What of a new configuration can be taken while links are up, and what waits for a restart. */
import type { GatewayConfig } from '@culvert/config';

export interface ReloadReport {
  /** Keys that changed and are in force now. For links that are up: the filter; all else is for new sessions. */
  readonly applied: readonly string[];
  /** Keys that changed and wait for a restart. */
  readonly restart: readonly string[];
}

/** Held by sockets, devices and files that are open, or by the log, for the life of the process. */
const needRestart = ['state', 'control', 'user', 'network', 'transports', 'limits.links', 'clientIsolation', 'log'];

export function compareConfigs(before: GatewayConfig, after: GatewayConfig): ReloadReport {
  const changed = changedKeys(before, after);
  const waits = (key: string) => needRestart.some((prefix) => key === prefix || key.startsWith(`${prefix}.`));
  return { applied: changed.filter((key) => !waits(key)), restart: changed.filter(waits) };
}

/** The new configuration, where keys that need a restart keep their old values: it is true of what runs. */
export function withoutRestart(before: GatewayConfig, after: GatewayConfig): GatewayConfig {
  const { state, control, network, transports, clientIsolation, log } = before;
  const limits = { ...after.limits, links: before.limits.links };
  return { ...after, state, control, user: before.user, network, transports, clientIsolation, log, limits };
}

/** Keys of two levels whose values differ: `push.routes`, `clientIsolation`. */
function changedKeys(before: GatewayConfig, after: GatewayConfig): string[] {
  const a = flat(before);
  const b = flat(after);
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key)).sort();
}

function flat(config: GatewayConfig): Map<string, string> {
  const values = new Map<string, string>();
  for (const [section, value] of Object.entries(config)) {
    if (value === undefined) continue;
    if (typeof value !== 'object' || value === null) values.set(section, JSON.stringify(value) ?? '');
    else for (const [key, inner] of Object.entries(value)) values.set(`${section}.${key}`, JSON.stringify(inner) ?? '');
  }
  return values;
}
