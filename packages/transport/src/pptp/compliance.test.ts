/** The pptp transport over real sockets passes the suite that every transport must pass; a firewall is the wire that can be cut. */
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { Listener } from '@culvert/core';
import { enterFreshNamespace, type TransportBed, transportCompliance } from '@culvert/testkit';
import { gateway, laptop, password, withKeys } from '../../test/pptp-lab.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';
import { createPptpTransport } from './transport.ts';

const table = 'table ip wire { chain in { type filter hook input priority 0; ip saddr 10.77.0.0/24 drop; }; }';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
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
    hostile: (bytes) => {
      const port = listening?.endpoints[0]?.port;
      if (port === undefined) return;
      const socket = connect({ host: gateway, port, localAddress: laptop }, () => socket.end(bytes));
      socket.on('error', () => socket.destroy());
    },
  };
}

if (skip === false) transportCompliance({ name: 'pptp', setup: createBed, teardown: () => {}, mtu: 1_396 });
else test('pptp keeps the contract of a transport', { skip }, () => {});
