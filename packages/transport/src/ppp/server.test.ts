/** A gateway's link holds its peer to what PPP agreed on: an IP version whose protocol is not open is not there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinkConfig } from '@culvert/core';
import type { PppTerms } from '@culvert/ppp';
import { eventually, ScriptedAdmission, sampleConfig, simulatedPath } from '@culvert/testkit';
import { systemClock } from '../clock.ts';
import { PppLink } from './link.ts';
import { peerConfig } from './network.ts';
import { PppServer } from './server.ts';

const path = simulatedPath(0);
const agreed4 = { local: '10.99.0.1', peer: '10.99.0.2', dns: [], nbns: [] };
const agreed6 = { local: 'fe80::1', peer: 'fe80::7', global: undefined, dns: [] };

function termsOf(some: Partial<PppTerms>): PppTerms {
  return {
    identity: 'alice',
    method: 'pap',
    ipv4: agreed4,
    ipv6: agreed6,
    mtu: 1_400,
    addressCompression: true,
    protocolCompression: true,
    asyncMap: 0,
    mppe: { send: undefined, receive: undefined },
    ...some,
  };
}

test('what was not agreed on is not configured', () => {
  const config = sampleConfig(0);
  const of = (some: Partial<PppTerms>) => {
    const { ipv4, ipv6 } = peerConfig(config, termsOf(some));
    return [ipv4?.address, ipv6?.address];
  };
  const [v4, v6] = [config.ipv4?.address, config.ipv6?.address];
  assert.deepEqual(of({}), [v4, v6]);
  assert.deepEqual(of({ ipv6: undefined }), [v4, undefined]);
  assert.deepEqual(of({ ipv4: undefined }), [undefined, v6]);
  const own: LinkConfig = sampleConfig(0, {
    ipv6: { address: 'fd99:0:0:2::2', prefix: 64, gateway: 'fd99::1', ownNetwork: 'fd99:0:0:2::/64' },
  });
  assert.equal(peerConfig(own, termsOf({})).ipv6?.address, 'fd99:0:0:2::7');
  assert.equal(peerConfig(own, termsOf({ ipv6: undefined })).ipv6, undefined);
});

test('what comes late, or goes again, changes the link, and whoever carries it is told', async () => {
  let told = 0;
  const links: PppLink[] = [];
  let admitted = false;
  const server: PppServer = new PppServer({
    transport: 'l2tp-ipsec',
    id: 1,
    path: () => path,
    remote: path.remote,
    peerInfo: new Map(),
    settings: {},
    auth: [],
    admission: new ScriptedAdmission(),
    tell: () => {
      admitted = true;
    },
    createLink: (_, link) =>
      new PppLink({
        ...link,
        transport: 'l2tp-ipsec',
        path,
        clock: systemClock,
        stats: { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 },
        facts: {},
        unfragmented: () => 1_400,
        send: () => {},
        close: () => {},
        onFault: () => {},
      }),
    onLink: (link) => {
      assert.ok(link instanceof PppLink);
      links.push(link);
      link.onReconfigured(() => told++);
    },
    onEvent: () => {},
  });
  server.handle({ kind: 'claim', id: 1, claim: { method: 'pap', username: 'alice', password: 'secret' } });
  await eventually('it is admitted', () => admitted);
  server.handle({ kind: 'up', terms: termsOf({ ipv6: undefined }) });
  const versions = () => links.flatMap(({ config }) => [config.ipv4?.address, config.ipv6?.address]);
  const [v4, v6] = [sampleConfig(0).ipv4?.address, sampleConfig(0).ipv6?.address];
  assert.deepEqual(versions(), [v4, undefined]);
  server.handle({ kind: 'changed', terms: termsOf({}) });
  assert.deepEqual(versions(), [v4, v6]);
  server.handle({ kind: 'changed', terms: termsOf({ ipv4: undefined }) });
  assert.deepEqual([versions(), told], [[undefined, v6], 2]);
});
