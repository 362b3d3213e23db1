import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import type { Link } from '@culvert/core';
import { sampleConfig } from '@culvert/testkit';
import { Sessions } from './sessions.ts';
import { sessionStatus } from './status.ts';

test('a session tells what its transport dropped, and what happened below its link, without what did not', () => {
  const sessions = new Sessions();
  const principal = { user: 'alice', groups: [], certificate: undefined, proofs: [] };
  const config = sampleConfig(0);
  const remote = { address: '203.0.113.7', port: 1_000 };
  const session = sessions.add({ principal, config, transport: 'pptp', remote });
  assert.deepEqual(sessionStatus(session, undefined, 0).wire, {});
  const link: Link = {
    ...{ id: 1, transport: 'pptp', principal, config, since: 0 as Instant, facts: {} },
    path: { socket: 0, local: { address: '192.0.2.1', port: 1_723 }, remote },
    stats: { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 7, droppedOut: 2 },
    wire: { greLost: 3, greLate: 0 },
    send: () => {},
    onPackets: () => {},
    update: () => {},
    close: async () => {},
    closed: new Promise(() => {}),
  };
  sessions.attach(link);
  const { wire, droppedIn, droppedOut } = sessionStatus(session, undefined, 0);
  assert.deepEqual([wire, droppedIn, droppedOut], [{ greLost: 3 }, 7, 2]);
});
