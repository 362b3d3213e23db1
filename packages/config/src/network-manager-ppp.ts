/** Keys that NetworkManager's plugins for PPTP and L2TP share: pppd's options. */
import type { ConnectionReader } from './network-manager-reader.ts';

/** Seconds between questions to a silent server, and how many it may leave unanswered. */
export interface PppEcho {
  readonly interval: number;
  readonly failures: number;
}

/** Undefined: the client's choice. */
export function readEcho(from: ConnectionReader): PppEcho | undefined {
  const [interval, failures] = ['lcp-echo-interval', 'lcp-echo-failure'].map((key) => from.number(key, 5) ?? 0);
  return interval && failures ? { interval, failures } : undefined;
}

export function echoKeys(echo: PppEcho | undefined): Record<string, string | undefined> {
  return { 'lcp-echo-interval': echo?.interval.toString(), 'lcp-echo-failure': echo?.failures.toString() };
}

/** The plugin's own key, or that of all VPNs. */
export function readUser(from: ConnectionReader): string | undefined {
  return from.text('vpn', 'user') ?? from.text('vpn', 'user-name');
}
