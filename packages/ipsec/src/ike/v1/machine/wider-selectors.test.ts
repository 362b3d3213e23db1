/** Servers that make the next pair of what we dialled by selectors of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, IkeBed } from '../../../../test/ike-bed.ts';
import type { TrafficSelector } from '../../../child-sa.ts';

const key = { presharedKey: () => Buffer.from('secret') };
const server = '192.0.2.1';
const client = '198.51.100.2';
const INNER = 50_000;
const at = (address: string, protocol: number, port: number) => ({ network: `${address}/32`, protocol, port });

/** A client whose packets go from a port of its own to 1701, and its server. */
function dialled(lifetimes = {}): { bed: IkeBed; a: Host; b: Host; theirs: number } {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...key, address: client, lifetimes }), bed.host({ ...key, address: server })];
  const child = { mode: 'transport', local: at(client, 17, INNER), remote: at(server, 17, 1701) } as const;
  bed.connect(a, b, { child });
  assert.ok(bed.until(() => a.of('child-ready').length > 0 && b.of('child-ready').length > 0, 5000));
  return { bed, a, b, theirs: b.one('established').ikeSa };
}

/** The other end makes a pair by these selectors, its own first. */
function make(
  { bed, a }: { bed: IkeBed; a: Host },
  by: Host,
  ikeSa: number,
  local: TrafficSelector,
  remote: TrafficSelector,
) {
  const before = a.of('child-created').length;
  by.endpoint.createChild(ikeSa, { mode: 'transport', local, remote }, bed.now);
  assert.ok(bed.until(() => a.of('child-ready').length > before, 5000));
  return a.of('child-created').at(-1) ?? assert.fail();
}

for (const [who, local, remote] of [
  ['any port of ours', at(server, 17, 1701), at(client, 17, 0)],
  ['any UDP', at(server, 17, 0), at(client, 17, 0)],
  ['any protocol', at(server, 0, 0), at(client, 0, 0)],
] as const)
  test(`a server's pair for ${who} takes the place of the one that we dialled, and lets in no more`, () => {
    const lab = dialled();
    const { bed, a, b, theirs } = lab;
    const first = a.one('child-created');
    const second = make(lab, b, theirs, local, remote);
    assert.equal(second.replaces, first.child);
    assert.deepEqual([second.sa.local, second.sa.remote], [first.sa.local, first.sa.remote]);
    b.endpoint.closeChild(b.of('child-created')[0]?.child ?? 0);
    bed.run(1000);
    assert.deepEqual(
      a.of('child-deleted').map(({ child }) => child),
      [first.child],
    );
    const third = make(lab, b, theirs, local, remote);
    assert.equal(third.replaces, second.child, 'the next one too, which is the server’s to make');
    for (const { child } of b.of('child-created').slice(1)) b.endpoint.closeChild(child);
    bed.run(1000);
    assert.equal(a.endpoint.sizes.children, 0);
    const fourth = make(lab, b, theirs, local, remote);
    assert.deepEqual([fourth.replaces, fourth.sa.local.port], [third.child, INNER], 'of what was just deleted');
  });

test('a pair that the server makes under the phase 1 that we renewed belongs to the next one', () => {
  const lab = dialled({ phase1Seconds: 100 });
  const { bed, a, b, theirs } = lab;
  assert.ok(bed.until(() => a.of('succeeded').length > 0 && b.of('succeeded').length > 0, 100_000));
  const second = make(lab, b, theirs, at(server, 17, 1701), at(client, 17, INNER));
  assert.equal(second.replaces, a.of('child-created')[0]?.child);
  assert.equal(second.ikeSa, a.of('established')[1]?.ikeSa);
  bed.run(6000);
  assert.deepEqual([a.endpoint.sizes.ikeSas, b.endpoint.sizes.ikeSas], [1, 1]);
  assert.equal(a.of('child-deleted').filter(({ child }) => child === second.child).length, 0);
});

test('other ports than those that we dialled for are another conversation', () => {
  const lab = dialled();
  const { b, theirs } = lab;
  for (const [local, remote] of [
    [at(server, 17, 1701), at(client, 17, INNER + 1)],
    [at(server, 17, 1702), at(client, 17, 0)],
    [at(server, 6, 0), at(client, 6, 0)],
  ] as const)
    assert.equal(make(lab, b, theirs, local, remote).replaces, undefined);
});

test('at a server a peer’s wider pair is another conversation: it may have several clients', () => {
  const lab = dialled();
  const { bed, a, b } = lab;
  const ikeSa = a.one('established').ikeSa;
  const wide = make({ bed, a: b }, a, ikeSa, at(client, 17, 0), at(server, 17, 1701));
  assert.equal(wide.replaces, undefined);
  assert.equal(wide.sa.remote.port, 0);
});
