/** Changes the host over and over until it is killed: `changer.ts JOURNAL RESOLV_CONF`. */
import { forwardingChanges, gatewayTable, HostChanges, pinnedRoutes, redirectRoutes } from '../src/index.ts';
import { quiet } from './namespace.ts';

const [journal = '', resolvConf = ''] = process.argv.slice(2);
const changes = await HostChanges.open({ journal, resolvConf, log: quiet });
process.stdout.write('open\n');
for (;;) {
  await changes.apply([
    { kind: 'address', device: 'tun0', address: '10.8.0.2/24' },
    { kind: 'address', device: 'tun0', address: 'fd00::2/64' },
    { kind: 'link', device: 'tun0', mtu: 1400, txQueueLength: 500, up: true },
  ]);
  await changes.apply([
    ...(await pinnedRoutes('198.51.100.7', 'tun0')),
    ...redirectRoutes('tun0', 4),
    ...redirectRoutes('tun0', 6),
    { kind: 'dns', device: 'tun0', servers: ['10.8.0.1'], search: ['office.example'], all: true },
  ]);
  await changes.apply([
    { kind: 'route', network: '10.9.0.0/16', device: 'tun0' },
    ...Array.from({ length: 200 }, (_, i) => ({ kind: 'route' as const, network: `172.16.0.${i}`, device: 'tun0' })),
    { kind: 'rule', family: 4, priority: 100, table: 77, mark: 5 },
    ...(await forwardingChanges({ ipv4: true, ipv6: true })),
    gatewayTable({ name: 't', device: 'tun0', networks: ['10.8.0.0/24', 'fd00::/64'], masquerade: true }),
  ]);
  await changes.undoAll();
}
