/** What becomes of IKE's events, one by one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { type ChildSa, type IkeEvent, SaDatabase } from '@culvert/ipsec';
import { enterFreshNamespace, nullLogger, seededRandom } from '@culvert/testkit';
import { systemClock } from '../clock.ts';
import { FaultLog } from '../fault-log.ts';
import { createDatagrams, type UdpPath, UdpPort } from '../udp-port.ts';
import { PeerTable } from './peer-table.ts';
import { pathTo } from './ports.ts';

const skip = enterFreshNamespace();

const keys = (spi: number) => ({ spi, encryptionKey: new Uint8Array(32), integrityKey: new Uint8Array(20) });
const selector = { network: '127.0.0.1/32', protocol: 17, port: 1_701 };
const sa: ChildSa = {
  mode: 'transport',
  algorithms: { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha1-96' },
  inbound: keys(1_000),
  outbound: keys(2_000),
  udpEncapsulated: true,
  esn: false,
  local: selector,
  remote: selector,
};

const established = (path: UdpPath): IkeEvent => ({
  kind: 'established',
  ikeSa: 1,
  role: 'responder',
  path,
  identity: { type: 1, protocol: 0, port: 0, data: Uint8Array.of(127, 0, 0, 1) },
  authentication: 'pre-shared-key',
  suite: {
    cipher: { name: 'aes-cbc', keyBytes: 32, blockBytes: 16 },
    hash: 'sha1',
    group: 'modp2048',
    authentication: 'pre-shared-key',
  },
  certificates: [],
  localBehindNat: false,
  remoteBehindNat: false,
});

test('changes of keys that come to nothing are told of, with both offers, and not without end', { skip }, () => {
  const scratch = createDatagrams();
  const faults = new FaultLog(nullLogger, systemClock);
  const port = new UdpPort({ family: 4, port: 0, number: 1, scratch, log: nullLogger, faults, onDatagrams: () => 1 });
  const path = pathTo(port, '127.0.0.1', { address: '127.0.0.1', port: 4_500 });
  const told: unknown[] = [];
  const refused: unknown[] = [];
  const peers = new PeerTable({
    ike: { close: () => {}, closeChild: () => {} },
    sas: new SaDatabase({ random: seededRandom(1) }),
    natTraversal: 4_500,
    onPeer: () => {},
    onRekeyed: () => {},
    onMoved: () => {},
    onGone: () => {},
    onSent: () => {},
    onKeysFailed: (_, fields) => void told.push(fields),
    onRefused: ({ phase }) => void refused.push(phase),
  });
  const failed = { kind: 'child-failed', ikeSa: 1, code: 'no-proposal', detail: 'nothing in common' } as const;
  const offers = { kind: 'none', offered: ['des'], accepted: ['aes256'] } as const;
  const events: readonly (readonly [seconds: number, event: IkeEvent])[] = [
    [0, established(path)],
    [0, { kind: 'child-created', ikeSa: 1, child: 2, sa, path, peerOriginal: undefined, replaces: undefined }],
    [0, { kind: 'child-ready', child: 2 }],
    [1, { ...failed, offers }],
    [2, failed],
    [11, { ...failed, code: 'timeout', detail: 'no answer' }],
    [11, { ...failed, ikeSa: 9 }],
  ];
  for (const [seconds, event] of events) peers.handle(event, (seconds * 1_000) as Instant);
  port.close();
  assert.deepEqual(told, [
    { phase: 2, code: 'no-proposal', reason: 'nothing in common', offered: ['des'], accepted: ['aes256'] },
    { phase: 2, code: 'timeout', reason: 'no answer' },
  ]);
  assert.deepEqual(refused, []);
});

test('of a peer whose ESP cannot come here nothing stays, phase 1 neither', { skip }, () => {
  const scratch = createDatagrams();
  const faults = new FaultLog(nullLogger, systemClock);
  const port = new UdpPort({ family: 4, port: 0, number: 1, scratch, log: nullLogger, faults, onDatagrams: () => 1 });
  const path = pathTo(port, '127.0.0.1', { address: '127.0.0.1', port: 500 });
  const done: unknown[] = [];
  const peers = new PeerTable({
    ike: { close: (id) => void done.push(['close', id]), closeChild: (id) => void done.push(['closeChild', id]) },
    sas: new SaDatabase({ random: seededRandom(1) }),
    natTraversal: 4_500,
    onPeer: () => {},
    onRekeyed: () => {},
    onMoved: () => {},
    onGone: () => {},
    onSent: () => {},
    onKeysFailed: () => {},
    onRefused: ({ phase, reason }) => void done.push([phase, reason.detail]),
  });
  const bare = { ...sa, udpEncapsulated: false };
  const created = { kind: 'child-created', ikeSa: 1, child: 2, peerOriginal: undefined, replaces: undefined } as const;
  for (const event of [established(path), { ...created, sa: bare, path }]) peers.handle(event, 0 as Instant);
  port.close();
  const why = 'ESP outside of UDP was agreed on, which cannot come here: the peer does no NAT traversal (RFC 3947)';
  assert.deepEqual(done, [
    ['closeChild', 2],
    [2, why],
    ['close', 1],
  ]);
});
