/** What the gateway's tests stand on: a configuration, a store of their own, claims as transports make them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate } from '@culvert/base';
import { checkGatewayConfig, type GatewayConfig } from '@culvert/config';
import type { Claim } from '@culvert/core';
import { openStore, PasswordHasher, type Store } from '@culvert/store';

/** A small configuration; `more` is further YAML at its top level. */
export function configOf(more = '', transports = 'openvpn: { wrap: none }'): GatewayConfig {
  const text = `
network: { ipv4: 10.88.0.0/24, ipv6: "fd88::/64" }
tls: { ca: ca, certificate: crt, privateKey: key }
transports: { ${transports} }
${more}`;
  const { config, problems } = checkGatewayConfig(text, '/etc/culvert/culvertd.yaml');
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

/** A store in a folder of its own, and a hasher that works little. */
export function openTestStore(): { readonly store: Store; readonly hasher: PasswordHasher; close(): Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-gateway-'));
  const store = openStore(join(folder, 'users.db'));
  return {
    store,
    hasher: new PasswordHasher({ parameters: { memoryKib: 64, passes: 1, lanes: 1 } }),
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export function certificateOf(commonName: string, serial = '1f'): PeerCertificate {
  return {
    der: new TextEncoder().encode(`${commonName} ${serial}`),
    subject: `CN=${commonName}`,
    issuer: 'CN=Test CA',
    commonName,
    serial,
    fingerprint256: '00',
    notBefore: 0,
    notAfter: 4_000_000_000_000,
  };
}

export function claimOf(fields: {
  readonly certificate?: PeerCertificate;
  readonly password?: readonly [username: string, password: string];
  readonly response?: Claim['response'];
  readonly from?: string;
  readonly makesAddresses?: boolean;
  readonly transport?: string;
}): Claim {
  const [username = '', password = ''] = fields.password ?? [];
  return {
    transport: fields.transport ?? 'memory',
    remote: { address: fields.from ?? '192.0.2.1', port: 40_000 },
    certificate: fields.certificate,
    password: fields.password && { username, password },
    response: fields.response,
    makesAddresses: fields.makesAddresses,
    peerInfo: new Map(),
  };
}

/** An IPv4 packet of `length` bytes (28 or more) with a UDP header, between two addresses. */
export function udpPacket(source: string, destination: string, length: number): Uint8Array {
  const packet = new Uint8Array(length);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0, length >> 8, length & 0xff, 0, 0, 0, 0, 64, 17, 0, 0]);
  packet.set([...source.split('.'), ...destination.split('.')].map(Number), 12);
  view.setUint16(20, 5_000);
  view.setUint16(22, 53);
  view.setUint16(24, length - 20);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(10, ~sum & 0xffff);
  return packet;
}
