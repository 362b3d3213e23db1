/** The openvpn transport over real sockets and the real TLS engine passes the suite that every transport must pass. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { Listener, Transport } from '@culvert/core';
import {
  nullLogger,
  openRelay,
  pem,
  type Relay,
  TestCa,
  type TransportBed,
  transportCompliance,
} from '@culvert/testkit';
import { type CertificateTlsContext, createTlsContext } from '@culvert/tls';
import type { OpenvpnDialOptions, OpenvpnListenOptions } from '../src/openvpn/options.ts';
import { createOpenvpnTransport } from '../src/openvpn/transport.ts';

const folder = mkdtempSync(join(tmpdir(), 'culvert-compliance-'));
let ca: TestCa;
let server: CertificateTlsContext;
let client: CertificateTlsContext;

before(async () => {
  ca = await TestCa.create(folder);
  const context = async (role: 'server' | 'client') => {
    const identity = await ca.issue(role, { role });
    return createTlsContext({
      role,
      ca: pem(ca.certificate),
      certificate: pem(identity.certificate),
      privateKey: pem(identity.key),
    });
  };
  server = await context('server');
  client = await context('client');
});
after(() => {
  server.close();
  client.close();
  rmSync(folder, { recursive: true });
});

const key = new Uint8Array(256).map((_, i) => (i * 7) & 0xff);
type Bed = TransportBed<OpenvpnListenOptions, OpenvpnDialOptions>;

/** Declares the suite for listeners of so many shards. A file each, so that they run beside each other. */
export function openvpnCompliance(protocol: 'udp' | 'tcp', shards: number): void {
  const relays = new Map<Bed, Relay[]>();
  transportCompliance<OpenvpnListenOptions, OpenvpnDialOptions>({
    name: `openvpn over ${protocol}${shards === 1 ? '' : `, ${shards} shards`}`,
    largestMtu: 9_000,
    setup: ({ rekeyAfter, mtu }) => {
      const size = mtu === undefined ? {} : { mtu };
      const open: Relay[] = [];
      let listening: Listener | undefined;
      let cut = false;
      const transport = shards === 1 ? createOpenvpnTransport() : sharded(createOpenvpnTransport(), shards);
      const bed: Bed = {
        transport: { ...transport, capabilities: { ...transport.capabilities, roaming: protocol === 'udp' } },
        listenOptions: {
          listen: [{ address: '127.0.0.1', port: 0, protocol }],
          tls: server,
          wrap: { kind: 'tls-crypt', key },
          maxInitialPackets: 100_000,
          ...size,
          ...(rekeyAfter !== undefined && { renegotiateAfter: rekeyAfter }),
        },
        dialOptions: async (listener) => {
          listening = listener;
          let [relay] = open;
          const [endpoint] = listener.endpoints;
          if (endpoint === undefined) throw new Error('the listener has no endpoint');
          if (relay === undefined) {
            relay = await openRelay(protocol, endpoint);
            open.push(relay);
            if (cut) relay.cut();
          }
          return {
            remote: relay.endpoint,
            protocol,
            tls: client,
            wrap: { kind: 'tls-crypt', key },
            renegotiateAfter: 0,
            ...size,
          };
        },
        cutWire: () => {
          cut = true;
          for (const relay of open) relay.cut();
        },
        healWire: () => {
          cut = false;
          for (const relay of open) relay.heal();
        },
        roam: () => {
          for (const relay of open) relay.roam();
        },
        opening,
        hostile: (bytes) => {
          const [endpoint] = listening?.endpoints ?? [];
          if (endpoint !== undefined) (protocol === 'udp' ? sendDatagram : sendStream)(bytes, endpoint);
        },
      };
      relays.set(bed, open);
      return bed;
    },
    teardown: async (bed) => {
      await Promise.all((relays.get(bed) ?? []).map((relay) => relay.close()));
    },
  });
}

/** The first bytes of a client that has not heard from its server. */
async function opening(): Promise<Uint8Array> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = new AbortController();
  const remote = { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const dialling = createOpenvpnTransport().dial(
    { remote, protocol: 'tcp', tls: client, wrap: { kind: 'tls-crypt', key } },
    { onEvent: () => {}, log: nullLogger, signal: stop.signal },
  );
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  stop.abort();
  await assert.rejects(dialling);
  socket.destroy();
  server.close();
  return bytes;
}

type OpenvpnTransport = Transport<OpenvpnListenOptions, OpenvpnDialOptions>;

/** `count` listeners that share a port, as one. */
function sharded(transport: OpenvpnTransport, count: number): OpenvpnTransport {
  return {
    ...transport,
    listen: async (at, on) => {
      const links = new Int32Array(new SharedArrayBuffer(4));
      const bound = Promise.withResolvers<void>();
      const listeners: Listener[] = [];
      let { listen } = at;
      for (let index = 0; index < count; index++) {
        const shard = { index, count, links, bound: bound.promise };
        const listener = await transport.listen({ ...at, listen, shard }, on);
        listeners.push(listener);
        listen = listener.endpoints.map(({ address, port }) => ({ address, port, protocol: 'udp' }));
      }
      bound.resolve();
      return {
        endpoints: listeners[0]?.endpoints ?? [],
        get stats() {
          const stats: Record<string, number> = {};
          for (const each of listeners) {
            for (const [name, n] of Object.entries(each.stats)) stats[name] = (stats[name] ?? 0) + n;
          }
          return stats;
        },
        close: async (why) => {
          await Promise.all(listeners.map((listener) => listener.close(why)));
        },
      };
    },
  };
}

function sendDatagram(bytes: Uint8Array, to: { readonly address: string; readonly port: number }): void {
  const socket = createSocket('udp4');
  socket.send(bytes, to.port, to.address, () => socket.close());
}

function sendStream(bytes: Uint8Array, to: { readonly address: string; readonly port: number }): void {
  const socket = connect(to.port, to.address, () => socket.end(bytes));
  socket.on('error', () => socket.destroy());
}
