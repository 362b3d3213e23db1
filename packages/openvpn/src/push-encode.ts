/**
 * PUSH_REPLY as a server writes it (openvpn push.c prepare_push_reply, send_push_reply).
 *
 * Options are separated by commas, so none may hold one. A message is at most 1,024 bytes; what does not fit goes on in the next, each
 * but the last ending in `push-continuation 2`, and the last in `push-continuation 1`.
 */
import { formatNetwork, netmask, networkOf, parseAddress, parseNetwork } from '@culvert/wire';
import { OpenvpnError } from './errors.ts';
import type { AeadName, PushedConfig } from './face.ts';
import type { Agreement } from './negotiation.ts';

const LONGEST_MESSAGE = 1_024;
/** push.c keeps as much free for what ends a message. */
const RESERVE = 84;
/** OpenVPN takes no others for ifconfig-ipv6 (options.c). */
const SHORTEST_PREFIX = 64;
const LONGEST_PREFIX = 124;
/** The tun-mtu of a peer that was not told one. */
const DEFAULT_MTU = 1_500;

export interface PushOptions {
  readonly config: PushedConfig;
  readonly agreement: Agreement;
  readonly peerId: number | undefined;
  /** The client's IV_MTU, undefined when it takes no pushed tun-mtu. */
  readonly maxMtu: number | undefined;
  /** The client frames its packets for compression: tell it to send them uncompressed. */
  readonly compression: boolean;
}

/** The options in the order of a 2.6 server. */
export function pushOptions({ config, agreement, peerId, maxMtu, compression }: PushOptions): string[] {
  const options = [...addresses(config), ...routes(config), ...dns(config)];
  const { interval, timeout } = config.keepalive;
  if (interval > 0) options.push(`ping ${seconds(interval)}`);
  if (timeout > 0) options.push(`ping-restart ${seconds(timeout)}`);
  if (compression) options.push('comp-lzo no');
  if (peerId !== undefined) options.push(`peer-id ${peerId}`);
  if (agreement.pushCipher) options.push(`cipher ${agreement.cipher satisfies AeadName}`);
  options.push(...protocolFlags(agreement));
  if (maxMtu !== undefined && config.mtu !== DEFAULT_MTU) options.push(`tun-mtu ${Math.min(config.mtu, maxMtu)}`);
  return options;
}

/** The messages, each without its terminating NUL. Throws OpenvpnError for an option that cannot be pushed. */
export function chunkPush(options: readonly string[]): string[] {
  const chunks: string[][] = [[]];
  let length = 0;
  for (const option of options) {
    // ASCII, as is checked: a byte a character, and the comma before it.
    const bytes = option.length + 1;
    if (/[^\x20-\x7e]|,/.test(option) || bytes > LONGEST_MESSAGE - RESERVE - 'PUSH_REPLY'.length) {
      throw new OpenvpnError('CULVERT_OPENVPN_PUSH', JSON.stringify(option.slice(0, 80)));
    }
    if ('PUSH_REPLY'.length + length + bytes > LONGEST_MESSAGE - RESERVE) {
      chunks.push([]);
      length = 0;
    }
    chunks.at(-1)?.push(option);
    length += bytes;
  }
  return chunks.map((chunk, i) => {
    const tail = chunks.length === 1 ? [] : [`push-continuation ${i === chunks.length - 1 ? 1 : 2}`];
    return ['PUSH_REPLY', ...chunk, ...tail].join(',');
  });
}

function addresses({ ipv4, ipv6 }: PushedConfig): string[] {
  const options: string[] = ['topology subnet'];
  if (ipv4 !== undefined) {
    options.push(`route-gateway ${ipv4.gateway}`, `ifconfig ${ipv4.address} ${netmask(ipv4.prefix)}`);
  }
  if (ipv6 === undefined) return options;
  const prefix = Math.min(LONGEST_PREFIX, Math.max(SHORTEST_PREFIX, ipv6.prefix));
  options.push(`ifconfig-ipv6 ${ipv6.address}/${prefix} ${ipv6.gateway}`);
  // The rest of the network is no longer on the device's own.
  if (prefix > ipv6.prefix) {
    options.push(`route-ipv6 ${formatNetwork(networkOf(parseAddress(ipv6.address), ipv6.prefix))}`);
  }
  return options;
}

/** Lists that all clients of a configuration share: read once, not for each of them. */
const known = new WeakMap<readonly string[], readonly string[]>();

function routeOptions(routes: readonly string[]): readonly string[] {
  const before = known.get(routes);
  if (before !== undefined) return before;
  const options = routes.map((text) => {
    const { address, prefix } = parseNetwork(text);
    const start = text.split('/')[0] ?? text;
    return address.version === 4 ? `route ${start} ${netmask(prefix)}` : `route-ipv6 ${start}/${prefix}`;
  });
  known.set(routes, options);
  return options;
}

function routes({ routes, redirect }: PushedConfig): string[] {
  const options = [...routeOptions(routes)];
  if (redirect.ipv4) options.push(`redirect-gateway def1${redirect.ipv6 ? ' ipv6' : ''}`);
  else if (redirect.ipv6) options.push('redirect-gateway ipv6 !ipv4');
  return options;
}

function dns({ dns: { servers, search } }: PushedConfig): string[] {
  const options = servers.map(
    (server) => `dhcp-option ${parseAddress(server).version === 4 ? 'DNS' : 'DNS6'} ${server}`,
  );
  if (search[0] !== undefined) options.push(`dhcp-option DOMAIN ${search[0]}`);
  for (const domain of search) options.push(`dhcp-option DOMAIN-SEARCH ${domain}`);
  return options;
}

/** push.c: with cc-exit the client knows protocol-flags, without it only key-derivation. */
function protocolFlags({ features }: Agreement): string[] {
  const { controlExit, tlsKeyExport, dynamicTlsCrypt } = features;
  const dynamic = dynamicTlsCrypt ? ' dyn-tls-crypt' : '';
  if (controlExit) return [`protocol-flags cc-exit${tlsKeyExport ? ' tls-ekm' : ''}${dynamic}`];
  return [
    ...(tlsKeyExport ? ['key-derivation tls-ekm'] : []),
    ...(dynamicTlsCrypt ? ['protocol-flags dyn-tls-crypt'] : []),
  ];
}

function seconds(millis: number): number {
  return Math.max(1, Math.round(millis / 1_000));
}
