/** A far end for tests of what loopback does not have: a path MTU, a queue. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './sockets.ts';

export interface Receiver {
  /** Resolves when `count` datagrams came over IPv`family`. */
  wait(family: 4 | 6, count: number): Promise<void>;
  bytes(family: 4 | 6): number;
}

/**
 * Runs `act` with a wire to another namespace, whose end receives on ports 4004 (IPv4) and 4006 (IPv6) and is gone afterwards:
 *
 *   wire0 (10.1.0.1, fd01::1) ══ wire1 (10.1.0.2, fd01::2)
 */
export async function withWire(mtu: number, act: (receiver: Receiver) => Promise<void>): Promise<void> {
  const source = `
    const { createSocket } = require('node:dgram');
    const { execFileSync } = require('node:child_process');
    process.stdout.write('here\\n');
    process.stdin.once('data', () => {
      execFileSync('sh', ['-ec', 'ip address add 10.1.0.2/24 dev wire1; ip address add fd01::2/64 dev wire1 nodad; ip link set wire1 mtu ${mtu} up']);
      let open = 2;
      for (const family of [4, 6]) {
        const socket = createSocket({ type: 'udp' + family, recvBufferSize: 1 << 20 }, (message) => process.stdout.write(family + ' ' + message.length + '\\n'));
        socket.bind(4000 + family, () => --open === 0 && process.stdout.write('ready\\n'));
      }
    }).on('end', () => process.exit());`;
  const child = spawn('unshare', ['-n', process.execPath, '-e', source], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const counts = { 4: { datagrams: 0, bytes: 0 }, 6: { datagrams: 0, bytes: 0 } };
  const said = new Set<string>();
  let look = (): void => undefined;
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    const lines = (text + more).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const count = line.startsWith('4 ') ? counts[4] : line.startsWith('6 ') ? counts[6] : undefined;
      if (count === undefined) {
        said.add(line);
      } else {
        count.datagrams++;
        count.bytes += Number(line.slice(2));
      }
    }
    look();
  });
  const when = (what: string, isTrue: () => boolean) =>
    until<void>(30_000, what, (done) => {
      look = () => {
        if (isTrue()) done();
      };
      look();
    });
  try {
    await when('the far namespace', () => said.has('here'));
    const near = `ip link add wire0 mtu ${mtu} type veth peer name wire1 netns ${child.pid}; ip link set wire0 up
      ip address add 10.1.0.1/24 dev wire0; ip address add fd01::1/64 dev wire0 nodad`;
    execFileSync('sh', ['-ec', near]);
    child.stdin.write('go\n');
    await when('the far end', () => said.has('ready'));
    execFileSync(
      'sh',
      ['-ec', 'for to in 10.1.0.2 fd01::2; do ping -c1 -W1 $to || ping -c1 -W1 $to || ping -c1 -W2 $to; done'],
      { stdio: 'ignore' },
    );
    await act({
      wait: (family, count) => when(`${count} datagrams over IPv${family}`, () => counts[family].datagrams >= count),
      bytes: (family) => counts[family].bytes,
    });
  } finally {
    child.stdin.end();
    await exited;
    execFileSync('sh', ['-c', 'ip link del wire0 2>/dev/null || true']);
  }
}
