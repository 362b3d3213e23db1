/** What of a new configuration can be taken while links are up, and what waits for a restart. */
import type { GatewayConfig } from '@culvert/config';

export interface ReloadReport {
  /** Keys that changed and are in force now. For links that are up: the filter; all else is for new sessions. */
  readonly applied: readonly string[];
  /** Keys that changed and wait for a restart. */
  readonly restart: readonly string[];
  /** Files that the service may not read: what root handed over at the start is in force. */
  readonly notRead: readonly string[];
}

/** For people. */
export function formatReload({ applied, restart, notRead }: ReloadReport): string {
  // The files that `tls` names are read anew whether or not a key changed.
  const files = notRead.length === 0 ? 'the files of tls' : 'the files of tls that the service may read';
  const lines = [`in force now: ${[files, ...applied].join(', ')}`];
  if (notRead.length > 0)
    lines.push(
      `as at the start, since only root may read them: ${notRead.join(', ')} (restart to take what they say now)`,
    );
  if (restart.length > 0) lines.push(`waits for a restart: ${restart.join(', ')}`);
  return lines.join('\n');
}

/** Held by sockets, devices and files that are open, or by the log, for the life of the process. */
const needRestart = [
  'state',
  'secretKey',
  'control',
  'user',
  'network',
  'transports',
  'limits.links',
  'clientIsolation',
  'log',
];

/** Of these, what a transport that is on reads for each new peer. */
const readForNewPeers = ['presharedKey', 'presharedKeys', 'tunnelSecret', 'certificate'] as const;

export function compareConfigs(before: GatewayConfig, after: GatewayConfig): Omit<ReloadReport, 'notRead'> {
  const changed = changedKeys(before, after);
  const isOn = before.transports.l2tpIpsec.enabled;
  const isRead = (key: string) => isOn && readForNewPeers.some((name) => key === `transports.l2tpIpsec.${name}`);
  const waits = (key: string) =>
    needRestart.some((prefix) => key === prefix || key.startsWith(`${prefix}.`)) && !isRead(key);
  return { applied: changed.filter((key) => !waits(key)), restart: changed.filter(waits) };
}

/** The new configuration, where keys that need a restart keep their old values: it is true of what runs. */
export function withoutRestart(before: GatewayConfig, after: GatewayConfig): GatewayConfig {
  const { state, secretKey, control, network, clientIsolation, log } = before;
  const transports = {
    ...before.transports,
    l2tpIpsec: takeKeys(before.transports.l2tpIpsec, after.transports.l2tpIpsec),
  };
  const limits = { ...after.limits, links: before.limits.links };
  return { ...after, state, secretKey, control, user: before.user, network, transports, clientIsolation, log, limits };
}

type L2tpIpsec = GatewayConfig['transports']['l2tpIpsec'];

function takeKeys(before: L2tpIpsec, after: L2tpIpsec): L2tpIpsec {
  if (!before.enabled) return before;
  const { presharedKey, presharedKeys, tunnelSecret, certificate } = after;
  return { ...before, presharedKey, presharedKeys, tunnelSecret, certificate };
}

/** Keys of two levels whose values differ, of transports three: `push.routes`, `transports.openvpn.listen`. */
function changedKeys(before: GatewayConfig, after: GatewayConfig): string[] {
  const a = flat(before);
  const b = flat(after);
  return [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key)).sort();
}

function flat({ transports, ...sections }: GatewayConfig): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, section] of Object.entries(sections)) addFlat(name, section, values);
  for (const [name, section] of Object.entries(transports)) addFlat(`transports.${name}`, section, values);
  return values;
}

function addFlat(name: string, section: unknown, values: Map<string, string>): void {
  if (section === undefined) return;
  if (typeof section !== 'object' || section === null) values.set(name, JSON.stringify(section) ?? '');
  else for (const [key, inner] of Object.entries(section)) values.set(`${name}.${key}`, JSON.stringify(inner) ?? '');
}
