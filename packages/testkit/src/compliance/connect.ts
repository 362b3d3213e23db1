/** Connect, authenticate, refuse, configure. */
import assert from 'node:assert/strict';
import { CulvertError } from '@culvert/base';
import type { LinkConfig } from '@culvert/core';
import { eventually, inTime } from '../eventually.ts';
import { ScriptedAdmission, sampleConfig } from '../scripted-admission.ts';
import type { ComplianceTest, OnStage } from './bed.ts';

export function connectTests<L, D>(onStage: OnStage<L, D>): ComplianceTest[] {
  return [
    [
      'a dial becomes one link at each end, and the listener tells of the attempt',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          assert.equal(ours.link.transport, stage.bed.transport.name);
          assert.equal(theirs.link.transport, stage.bed.transport.name);
          assert.equal(ours.link.principal.user, 'user0');
          assert.equal(stage.accepted.length, 1);
          assert.equal(stage.eventsOf('attempt').length, 1);
          assert.ok(stage.listener.endpoints.length > 0);
        }),
    ],
    [
      'admission sees the transport and whence the peer came, and is asked once',
      () =>
        onStage(async (stage) => {
          const [ours] = await stage.connect();
          const [claim, ...more] = stage.admission.claims;
          assert.equal(more.length, 0);
          assert.equal(claim?.transport, stage.bed.transport.name);
          assert.deepEqual(claim?.remote, ours.link.path.remote);
        }),
    ],
    [
      'where a transport has no IPv6 outside, it refuses to listen there and to dial there, with a code',
      () =>
        onStage(async ({ admission, bed, log }) => {
          const { transport, ipv6 } = bed;
          if (transport.capabilities.ipv6Outside) return;
          assert.ok(ipv6 !== undefined, 'a bed without IPv6 shows how it would be asked for');
          const on = { onEvent: () => {}, log, signal: new AbortController().signal };
          const refused = { code: 'CULVERT_TRANSPORT_ADDRESS' };
          await assert.rejects(inTime('dial', transport.dial(ipv6.dialOptions, on)), refused);
          await assert.rejects(transport.listen(ipv6.listenOptions, { ...on, admission, onLink: () => {} }), refused);
        }),
    ],
    [
      'both ends have the configuration that admission gave',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const expected = sampleConfig(0);
          const learns = stage.bed.transport.capabilities.configures ? whatThePeerLearns : addressesAndServers;
          assert.deepEqual(learns(ours.link.config), learns(expected));
          assert.deepEqual(learns(theirs.link.config), learns(expected));
        }),
    ],
    [
      'a link of one IP version only is configured so',
      async () => {
        for (const absent of ['ipv4', 'ipv6'] as const) {
          const routes = absent === 'ipv4' ? ['fd77::/64'] : ['192.168.77.0/24'];
          const dns = { servers: [], search: [] };
          const admission = new ScriptedAdmission({ [absent]: undefined, routes, dns });
          await onStage(
            async (stage) => {
              const [, theirs] = await stage.connect();
              assert.equal(theirs.link.config[absent], undefined);
              if (!stage.bed.transport.capabilities.configures) return;
              assert.deepEqual(theirs.link.config.routes, routes);
            },
            { admission },
          );
        }
      },
    ],
    [
      'a refusal reaches the dialler as an error with a code, and the log of the listener has the precise reason',
      () => {
        const admission = new ScriptedAdmission();
        admission.answer = async () => ({
          kind: 'refused',
          reason: 'the user mallory is disabled',
          tell: 'authentication failed',
        });
        return onStage(
          async (stage) => {
            await assert.rejects(inTime('the refusal', stage.dial()), (error) => {
              assert.ok(error instanceof CulvertError, String(error));
              assert.doesNotMatch(error.message, /mallory/);
              return true;
            });
            const [refused] = await eventually('a refused event', () => nonEmpty(stage.eventsOf('refused')));
            assert.ok(refused?.kind === 'refused');
            assert.match(refused.reason, /mallory is disabled/);
            assert.equal(stage.accepted.length, 0);
          },
          { admission },
        );
      },
    ],
    [
      'a refused peer may come again and get in',
      () => {
        const admission = new ScriptedAdmission();
        const welcome = admission.answer;
        admission.answer = async (index, claim) =>
          index === 0 ? { kind: 'refused', reason: 'not yet', tell: 'authentication failed' } : welcome(index, claim);
        return onStage(
          async (stage) => {
            await assert.rejects(inTime('the refusal', stage.dial()), CulvertError);
            await stage.connect();
          },
          { admission },
        );
      },
    ],
    [
      'an admission that throws refuses, and the gateway goes on',
      () => {
        const admission = new ScriptedAdmission();
        const welcome = admission.answer;
        admission.answer = async (index, claim) => {
          if (index === 0) throw new Error('the user database is locked');
          return welcome(index, claim);
        };
        return onStage(
          async (stage) => {
            await assert.rejects(inTime('the refusal', stage.dial()), CulvertError);
            await stage.connect();
          },
          { admission },
        );
      },
    ],
  ];
}

/** The part of a configuration that the transport must tell the peer. */
function whatThePeerLearns(config: LinkConfig): Partial<LinkConfig> {
  const { ipv4, ipv6, mtu, routes, redirect, dns, keepalive } = config;
  return { ipv4, ipv6, mtu, routes, redirect, dns, keepalive };
}

/** What a peer learns of a transport that can tell no more. */
function addressesAndServers({ ipv4, ipv6, dns }: LinkConfig): unknown {
  return { ipv4: ipv4?.address, ipv6: ipv6?.address, servers: dns.servers };
}

function nonEmpty<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined;
}
