/** The pptp transport over real sockets passes the suite that every transport must pass; a firewall is the wire that can be cut. */
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { Listener } from '@culvert/core';
import { createDatagramBatch, encodePath, endpointOfPath, openRawIp, pathWords } from '@culvert/netio';
import { enterFreshNamespace, type Mirror, type TransportBed, transportCompliance } from '@culvert/testkit';
import { callRequest, startRequest } from '../../test/pptp-caller.ts';
import { gateway, laptop, password, stranger, withKeys } from '../../test/pptp-lab.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';
import { createPptpTransport } from './transport.ts';

const table = 'table ip wire { chain in { type filter hook input priority 0; ip saddr 10.77.0.0/24 drop; }; }';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger]) {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  }
}

const transport = createPptpTransport();
const keepalive = { interval: 1_000, timeout: 3_000 };

function createBed(): TransportBed<PptpListenOptions, PptpDialOptions> {
  let listening: Listener | undefined;
  let cut = false;
  return {
    transport: {
      ...transport,
      listen: (at, on) => transport.listen(at, { ...on, admission: withKeys(on.admission) }),
    },
    listenOptions: { listen: [{ address: gateway, port: 0 }], keepalive },
    dialOptions: (listener) => {
      listening = listener;
      const port = listener.endpoints[0]?.port ?? 0;
      const remote = { address: gateway, port };
      return { remote, localAddress: laptop, username: 'alice', password, keepalive };
    },
    cutWire: () => {
      if (!cut) execFileSync('nft', [table]);
      cut = true;
    },
    healWire: () => {
      if (cut) execFileSync('nft', ['delete table ip wire']);
      cut = false;
    },
    mirror: () => mirrorOf(listening),
    ipv6: {
      listenOptions: { listen: [{ address: '::1', port: 0 }] },
      dialOptions: { remote: { address: '::1', port: 1_723 }, username: 'alice', password },
    },
    opening: () => Buffer.concat([startRequest, callRequest(1)]),
    hostile: (bytes) => {
      const port = listening?.endpoints[0]?.port;
      if (port === undefined) return;
      const socket = connect({ host: gateway, port, localAddress: laptop }, () => socket.end(bytes));
      socket.on('error', () => socket.destroy());
    },
  };
}

/** Repeats what the laptop sends to the gateway by GRE, with the stranger's address. */
function mirrorOf(listener: Listener | undefined): Mirror {
  const heard = openRawIp({ family: 4, protocol: 47, address: gateway });
  const sender = openRawIp({ family: 4, protocol: 47, address: stranger });
  const path = encodePath({ local: stranger, remote: { address: gateway, port: 0 } }, 4);
  const batch = createDatagramBatch(64, 0x2_0000);
  const refused = () => listener?.stats['greStrange'] ?? 0;
  const before = refused();
  let sent = 0;
  heard.onReadable(() => {
    batch.count = batch.used = 0;
    heard.recvBatch(batch);
    for (let slot = 0; slot < batch.count; slot++) {
      const [at = 0, length = 0] = [batch.offsets[slot], batch.lengths[slot]];
      if (endpointOfPath(batch.paths.slice(slot * pathWords, (slot + 1) * pathWords)).remote.address !== laptop)
        continue;
      sender.send(batch.arena.slice(at, at + length), path);
      sent++;
    }
  });
  return {
    get sent() {
      return sent;
    },
    refused: () => refused() - before,
    stop: () => {
      heard.close();
      sender.close();
    },
  };
}

if (skip === false) transportCompliance({ name: 'pptp', setup: createBed, teardown: () => {}, mtu: 1_396 });
else test('pptp keeps the contract of a transport', { skip }, () => {});
