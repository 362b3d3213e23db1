/** Opens what carries packets as the configuration wants it: the device and the transports, on this thread or on several. */
import type { Logger } from '@culvert/base';
import { type GatewayConfig, parseStaticKey, parseTlsCryptV2ServerKey } from '@culvert/config';
import {
  createOpenvpnTransport,
  createPptpTransport,
  joinFor,
  type OpenvpnListenOptions,
  systemClock,
} from '@culvert/transport';
import { openTun, type TunDevice } from '@culvert/tun-tap';
import type { Carrier } from './carrier.ts';
import type { Listening } from './gateway.ts';
import type { GatewayTls, ReadText } from './gateway-tls.ts';
import { OneThread } from './one-thread.ts';
import type { TlsSetup } from './threads/messages.ts';
import { PacketThreads } from './threads/packet-threads.ts';

export interface PacketPath {
  readonly deviceName: string;
  readonly carrier: Carrier;
  readonly transports: readonly Listening[];
  /** What the gateway's own context took is taken wherever handshakes are made. */
  reloadTls(config: GatewayConfig): void;
  setCrl(pem: string): void;
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
  const { config, tls, read } = options;
  const device = openDevice(options);
  const carrier = new OneThread({ ...options, device, virtio: device.vnetHeader, clock: systemClock });
  const transport = createOpenvpnTransport();
  const listenOptions = { ...openvpnOptions(config, read), tls, join: joinFor(device) };
  return {
    deviceName: device.name,
    carrier,
    transports: [
      { transport: transport.name, listen: (on) => transport.listen(listenOptions, on) },
      ...pptpListening(config, joinFor(device)),
    ],
    reloadTls: () => {},
    setCrl: () => {},
    close: () => device.close(),
  };
}

function pptpListening({ transports: { pptp }, limits }: GatewayConfig, join: number): Listening[] {
  if (!pptp.enabled) return [];
  const transport = createPptpTransport();
  const { strengths } = pptp;
  const listen = pptp.listen.map(({ address, port }) => ({ address, port }));
  const options = { listen, strengths, join, maxLinks: limits.links };
  return [{ transport: transport.name, listen: (on) => transport.listen(options, on) }];
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
    reloadTls: (changed) => threads.reloadTls(tlsSetup(changed, read)),
    setCrl: (pem) => threads.setCrl(pem),
    close: () => threads.close(),
  };
}

function tlsSetup({ tls, auth }: GatewayConfig, read: ReadText): TlsSetup {
  const paths = [tls.ca, tls.certificate, tls.privateKey, ...(tls.crl === undefined ? [] : [tls.crl.file])];
  return { config: { tls, auth }, files: Object.fromEntries(paths.map((path) => [path, read(path)])) };
}

function openDevice({ config, tunFd }: PacketPathOptions): TunDevice {
  const device = openTun({
    name: config.network.device,
    vnetHeader: config.network.offload,
    offloads: config.network.offload ? 'best' : [],
    ...(tunFd === undefined ? {} : { fd: tunFd }),
  });
  try {
    device.setMtu(config.network.mtu);
    device.setUp();
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
    ...(config.network.offload ? {} : { trains: false }),
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
