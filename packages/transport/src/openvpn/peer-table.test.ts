import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Path } from '@culvert/base';
import { PeerTable } from './peer-table.ts';
import type { ServerPeer } from './server-peer.ts';

function pathTo(port: number): Path {
  return { socket: 0, local: { address: '192.0.2.1', port: 1194 }, remote: { address: '198.51.100.7', port } };
}

/** The two fields that the table reads. */
function fakePeer(peerId: number, port: number): ServerPeer & { path: Path } {
  return { peerId, path: pathTo(port) } as unknown as ServerPeer & { path: Path };
}

test('a peer is found by peer id, by session on its path, and by path once it is up', () => {
  const table = new PeerTable(4);
  const peer = fakePeer(table.takePeerId(), 4000);
  table.add(peer, 7n);
  assert.equal(table.byPeerId(peer.peerId), peer);
  assert.equal(table.bySession(7n, pathTo(4000)), peer);
  assert.equal(table.bySession(7n, pathTo(4001)), undefined);
  assert.equal(table.byPath(pathTo(4000)), undefined);
  assert.equal(table.claimPath(peer), undefined);
  assert.equal(table.byPath(pathTo(4000)), peer);
});

test('a peer that comes up on the path of another learns whom it replaces', () => {
  const table = new PeerTable(4);
  const [old, fresh] = [fakePeer(table.takePeerId(), 4000), fakePeer(table.takePeerId(), 4000)];
  table.add(old, 1n);
  table.claimPath(old);
  table.add(fresh, 2n);
  assert.equal(table.claimPath(fresh), old);
  table.remove(old);
  assert.equal(table.byPath(pathTo(4000)), fresh);
});

test('two sessions on one path are told apart, and the one that goes leaves the other', () => {
  const table = new PeerTable(4);
  const [old, fresh] = [fakePeer(table.takePeerId(), 4000), fakePeer(table.takePeerId(), 4000)];
  table.add(old, 1n);
  table.add(fresh, 2n);
  assert.equal(table.bySession(1n, pathTo(4000)), old);
  assert.equal(table.bySession(2n, pathTo(4000)), fresh);
  table.remove(old);
  assert.equal(table.bySession(1n, pathTo(4000)), undefined);
  assert.equal(table.bySession(2n, pathTo(4000)), fresh);
  table.remove(fresh);
  assert.equal(table.bySession(2n, pathTo(4000)), undefined);
});

test('a peer that moved is found on its new path alone', () => {
  const table = new PeerTable(4);
  const peer = fakePeer(table.takePeerId(), 4000);
  table.add(peer, 7n);
  table.claimPath(peer);
  peer.path = pathTo(5000);
  table.moved(peer);
  assert.equal(table.bySession(7n, pathTo(4000)), undefined);
  assert.equal(table.byPath(pathTo(4000)), undefined);
  assert.equal(table.bySession(7n, pathTo(5000)), peer);
  assert.equal(table.byPath(pathTo(5000)), peer);
});

test('a freed peer id rests until all others were used', () => {
  const table = new PeerTable(3);
  const peers = [1, 2].map((n) => fakePeer(table.takePeerId(), n));
  peers.forEach((peer, i) => {
    table.add(peer, BigInt(i));
  });
  for (const peer of peers) table.remove(peer);
  assert.equal(table.takePeerId(), 2);
  assert.equal(table.takePeerId(), 0);
  assert.equal(table.takePeerId(), 1);
});

test('the table says when it is full, and nothing is left of what was removed', () => {
  const table = new PeerTable(1);
  const peer = fakePeer(table.takePeerId(), 1);
  table.add(peer, 1n);
  assert.ok(table.full);
  table.remove(peer);
  table.remove(peer);
  assert.equal(table.size, 0);
  assert.deepEqual(table.peers(), []);
  assert.equal(table.byPeerId(peer.peerId), undefined);
});

test('shards give ids that tell them apart, and share one limit', () => {
  const links = new Int32Array(new SharedArrayBuffer(4));
  const tables = [0, 1, 2].map((index) => new PeerTable(5, { index, count: 3, links }));
  const peers = tables.flatMap((table, index) => {
    return Array.from({ length: index + 1 }, (_, n) => {
      if (table.full) return undefined;
      const peer = fakePeer(table.takePeerId(), 4000 + 10 * index + n);
      table.add(peer, BigInt(n));
      return { table, peer };
    });
  });
  assert.deepEqual(
    peers.map((entry) => entry?.peer.peerId),
    [0, 1, 4, 2, 5, undefined],
  );
  for (const table of tables) assert.ok(table.full);
  assert.equal(tables[1]?.byPeerId(0), undefined);
  peers[4]?.table.remove(peers[4].peer);
  for (const table of tables) assert.ok(!table.full, 'a place that one gives back is everybody’s');
});

test('a shard never gives an id twice, whatever the others hold', () => {
  const links = new Int32Array(new SharedArrayBuffer(4));
  const table = new PeerTable(2, { index: 1, count: 2, links });
  for (let n = 0; n < 2; n++) table.add(fakePeer(table.takePeerId(), n), BigInt(n));
  links[0] = 0;
  assert.ok(table.full, 'its own two are all that it has ids for');
});
