/** Opens what carries packets as the configuration wants it: the device and the transports, on this thread or on several. */
import type { Logger } from '@culvert/base';
import { type GatewayConfig, parseStaticKey, parseTlsCryptV2ServerKey } from '@culvert/config';
import {
  createL2tpIpsecTransport,
  createOpenvpnTransport,
  createPptpTransport,
  joinFor,
  type OpenvpnListenOptions,
  systemClock,
  tellMissingOffloads,
} from '@culvert/transport';
import { openTun, type TunDevice } from '@culvert/tun-tap';
import type { Carrier } from './carrier.ts';
import type { Listening } from './gateway.ts';
import type { GatewayTls, ReadText } from './gateway-tls.ts';
import { IpsecKeys } from './ipsec-keys.ts';
import { OneThread } from './one-thread.ts';
import { l2tpIpsecOptions, type PppListening, pptpOptions, trainsOf } from './ppp-listening.ts';
import type { TlsSetup } from './threads/messages.ts';
import { PacketThreads } from './threads/packet-threads.ts';

export interface PacketPath {
  readonly deviceName: string;
  readonly carrier: Carrier;
  readonly transports: readonly Listening[];
  /**
   * What the gateway's own TLS context took is taken wherever handshakes are made, IPsec's keys are read anew, and new PPP sessions have the new
   * keepalive. Throws as they do.
   */
  reload(config: GatewayConfig): void;
  /** A new list of TLS's. */
  setCrl(pem: string): void;
  /** A new list of IPsec's. Throws TlsError; the list before stays in force then. */
  setIpsecCrl(pem: string): void;
  close(): void | Promise<void>;
}

export interface PacketPathOptions {
  readonly config: GatewayConfig;
  readonly log: Logger;
  readonly tls: GatewayTls;
  readonly read: ReadText;
  /** A descriptor of /dev/net/tun that root opened. */
  readonly tunFd: number | undefined;
  onWarning(message: string): void;
  /** The device, or a thread, is gone: the gateway can no longer work. */
  onGone(error: Error): void;
}

/** Rejects with the error of what could not be opened; nothing is left then. */
export async function openPacketPath(options: PacketPathOptions): Promise<PacketPath> {
  return options.config.network.threads === 1 ? openOneThread(options) : await openThreads(options);
}

function openOneThread(options: PacketPathOptions): PacketPath {
  const { config, tls, read, onWarning } = options;
  const { l2tpIpsec } = config.transports;
  const keys = l2tpIpsec.enabled ? new IpsecKeys(l2tpIpsec, read, onWarning) : undefined;
  const device = openDevice(options);
  const carrier = new OneThread({ ...options, device, virtio: device.vnetHeader, clock: systemClock });
  const transport = createOpenvpnTransport();
  const listenOptions = { ...openvpnOptions(config, read), tls, join: joinFor(device) };
  let inForce = config;
  const ppp = { config: () => inForce, join: joinFor(device) };
  return {
    deviceName: device.name,
    carrier,
    transports: [
      { transport: transport.name, listen: (on) => transport.listen(listenOptions, on) },
      ...pptpListening(ppp),
      ...(keys === undefined ? [] : [l2tpIpsecListening(ppp, keys)]),
    ],
    reload: (changed) => {
      keys?.reload(changed.transports.l2tpIpsec, read);
      inForce = changed;
    },
    setCrl: () => {},
    setIpsecCrl: (pem) => keys?.setCrl(pem),
    close: () => device.close(),
  };
}

function pptpListening(at: PppListening): Listening[] {
  if (!at.config().transports.pptp.enabled) return [];
  const transport = createPptpTransport();
  return [{ transport: transport.name, listen: (on) => transport.listen(pptpOptions(at), on) }];
}

function l2tpIpsecListening(at: PppListening, keys: IpsecKeys): Listening {
  const transport = createL2tpIpsecTransport();
  return { transport: transport.name, listen: (on) => transport.listen(l2tpIpsecOptions({ ...at, keys }), on) };
}

async function openThreads(options: PacketPathOptions): Promise<PacketPath> {
  const { config, read } = options;
  const tls = tlsSetup(config, read);
  const threads = await PacketThreads.open({
    ...options,
    openvpn: openvpnOptions(config, read),
    tls,
    clock: systemClock,
  });
  return {
    deviceName: threads.deviceName,
    carrier: threads,
    transports: [{ transport: 'openvpn', listen: (on) => threads.listen(on) }],
    reload: (changed) => threads.reloadTls(tlsSetup(changed, read)),
    setCrl: (pem) => threads.setCrl(pem),
    setIpsecCrl: () => {},
    close: () => threads.close(),
  };
}

function tlsSetup({ tls, auth }: GatewayConfig, read: ReadText): TlsSetup {
  const paths = [tls.ca, tls.certificate, tls.privateKey, ...(tls.crl === undefined ? [] : [tls.crl.file])];
  return { config: { tls, auth }, files: Object.fromEntries(paths.map((path) => [path, read(path)])) };
}

function openDevice({ config, tunFd, log }: PacketPathOptions): TunDevice {
  const device = openTun({
    name: config.network.device,
    vnetHeader: config.network.offload,
    offloads: config.network.offload ? 'best' : [],
    ...(tunFd === undefined ? {} : { fd: tunFd }),
  });
  try {
    device.setMtu(config.network.mtu);
    device.setUp();
    if (config.network.offload) tellMissingOffloads(device, log);
    return device;
  } catch (error) {
    device.close();
    throw error;
  }
}

function openvpnOptions(config: GatewayConfig, read: ReadText): Omit<OpenvpnListenOptions, 'tls' | 'join' | 'shard'> {
  const section = config.transports.openvpn;
  return {
    listen: section.listen.map(({ address, port, protocol }) => ({ address, port, protocol })),
    wrap: serverWrap(section.wrap, read),
    dataCiphers: section.dataCiphers,
    renegotiateAfter: section.renegotiateAfter,
    handshakeWindow: section.handshakeWindow,
    replayWindow: section.replayWindow,
    mtu: config.network.mtu,
    ...trainsOf(config.network),
    maxLinks: config.limits.links,
  };
}

function serverWrap(
  wrap: GatewayConfig['transports']['openvpn']['wrap'],
  read: ReadText,
): OpenvpnListenOptions['wrap'] {
  if (wrap !== 'none' && wrap.tlsCryptV2 !== undefined) {
    return { kind: 'tls-crypt-v2', serverKey: parseTlsCryptV2ServerKey(read(wrap.tlsCryptV2)) };
  }
  if (wrap !== 'none' && wrap.tlsCrypt !== undefined) {
    return { kind: 'tls-crypt', key: parseStaticKey(read(wrap.tlsCrypt)) };
  }
  return { kind: 'none' };
}
