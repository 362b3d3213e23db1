/** pppd answers: our client. */
import assert from 'node:assert/strict';
import { createTlsContext } from '@culvert/tls';
import { type MppeWish, PppProtocol } from '../../src/index.ts';
import { type Case, client } from './case.ts';
import { comesUp, Exit, endsOrderly, pingBothWays, recoversFromLosses, refused } from './outcomes.ts';

const serves = 'name gateway 10.99.0.1:10.99.0.7';
const mppe128: MppeWish = { need: 'required', strengths: [128], stateful: false };

const notAllowed = {
  pap: /^refused: the server asks for PAP, which is not allowed here \(allowed: MS-CHAPv2\)/,
  'chap-md5': /^refused: the server asks for CHAP with MD5, which is not allowed here \(allowed: MS-CHAPv2\)/,
};

export const clientCases: readonly Case[] = [
  {
    name: 'MS-CHAPv2, MPPE 128, name servers, IPv4 and IPv6, and an orderly end',
    pppd: `${serves} auth require-mschap-v2 require-mppe-128 ms-dns 10.99.0.53 ms-dns 10.99.0.54 ms-wins 10.99.0.55 +ipv6`,
    session: () => client({ mppe: mppe128, ipv4: { dns: true, nbns: true } }),
    async check(meeting) {
      const { end } = meeting;
      const terms = await end.up();
      assert.equal(terms.method, 'mschapv2');
      assert.deepEqual(terms.ipv4, {
        ...{ local: '10.99.0.7', peer: '10.99.0.1' },
        ...{ dns: ['10.99.0.53', '10.99.0.54'], nbns: ['10.99.0.55', '10.99.0.55'] },
      });
      await pingBothWays(meeting, terms);
      await end.ping(terms.ipv6?.local ?? '', terms.ipv6?.peer ?? '');
      assert.equal(terms.ipv6?.global, undefined, 'pppd is no router');
      await endsOrderly(meeting, 'MPPE disabled');
    },
  },
  {
    name: 'a wrong password',
    pppd: `${serves} auth require-mschap-v2`,
    session: () => client({}, { password: 'no' }),
    check: (meeting) => refused(meeting, /^refused: /, Exit.peerAuthFailed),
  },
  {
    name: 'no name servers, no IPv6',
    pppd: `${serves} auth require-mschap-v2 noipv6`,
    session: () => client(),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.deepEqual([terms.ipv4?.dns, terms.ipv6], [[], undefined]);
      await pingBothWays(meeting, terms);
    },
  },
  ...(['pap', 'chap-md5'] as const).flatMap((method): Case[] => [
    {
      name: `${method}, where it is allowed`,
      pppd: `${serves} auth require-${method === 'pap' ? 'pap' : 'chap'}`,
      session: () => client({}, { methods: ['mschapv2', method] }),
      async check(meeting) {
        const terms = await meeting.end.up();
        assert.equal(terms.method, method);
        await pingBothWays(meeting, terms);
      },
    },
    {
      name: `${method}, where it is not`,
      pppd: `${serves} auth require-${method === 'pap' ? 'pap' : 'chap'}`,
      session: () => client(),
      check: (meeting) => refused(meeting, notAllowed[method], Exit.peerAuthFailed),
    },
    {
      name: `${method} with a wrong password`,
      pppd: `${serves} auth require-${method === 'pap' ? 'pap' : 'chap'}`,
      session: () => client({}, { methods: [method], password: 'no' }),
      check: (meeting) => refused(meeting, /^refused: /, Exit.peerAuthFailed),
    },
  ]),
  {
    name: 'EAP with MD5, where it is allowed',
    pppd: `${serves} auth require-eap`,
    session: () => client({}, { methods: ['eap'], eap: ['mschapv2', 'md5'] }),
    async check({ end }) {
      assert.equal((await end.up()).method, 'eap');
    },
  },
  {
    // It sends no Success (RFC 3748, section 4.2), and goes on with the network phase.
    name: 'EAP with MSCHAPv2, MPPE with its keys',
    pppd: `${serves} auth require-eap require-mppe-128`,
    session: () => client({ mppe: mppe128 }, { methods: ['eap'] }),
    check: comesUp,
  },
  {
    name: 'EAP with MSCHAPv2 and a wrong password',
    pppd: `${serves} auth require-eap`,
    session: () => client({}, { methods: ['eap'], password: 'no' }),
    check: (meeting) => refused(meeting, /^refused: /, Exit.peerAuthFailed),
  },
  {
    name: 'EAP-TLS 1.2, MPPE with its keys',
    pppd: `${serves} auth require-eap require-mppe-128`,
    session: ({ tls }) =>
      client({ mppe: mppe128 }, { methods: ['eap'], eap: ['tls'], tls: createTlsContext(tls.alice) }),
    check: comesUp,
  },
  {
    // It hands out a session ticket instead of RFC 9190's last message, and goes on with a Success that nothing protects.
    name: 'EAP-TLS 1.3, which pppd does not bring to its end',
    pppd: `${serves} auth require-eap max-tls-version 1.3`,
    session: ({ tls }) => client({}, { methods: ['eap'], eap: ['tls'], tls: createTlsContext(tls.alice) }),
    check: (meeting) =>
      refused(meeting, /^refused: the server does not say under its TLS 1\.3 keys that it is done/, Exit.hangup),
  },
  {
    name: 'a server that asks for no proof, and gives none',
    pppd: `${serves} noauth`,
    session: () => client(),
    check: (meeting) => refused(meeting, /asks for no authentication/, Exit.hangup),
  },
  {
    name: 'a server that asks for no proof, where that is allowed',
    pppd: `${serves} noauth`,
    session: () => client({ acceptNoAuthentication: true }),
    check: comesUp,
  },
  {
    name: 'a server without MPPE, where it is required',
    pppd: `${serves} auth require-mschap-v2 nomppe`,
    session: () => client({ mppe: mppe128 }),
    check: (meeting) => refused(meeting, /^refused: encryption is required/, Exit.hangup),
  },
  {
    name: 'a server that has MPPE 40 alone, where 128 is required',
    pppd: `${serves} auth require-mschap-v2 require-mppe-40 nomppe-128`,
    session: () => client({ mppe: mppe128 }),
    check: (meeting) => refused(meeting, /MPPE required but peer negotiation failed/, Exit.negotiation),
  },
  {
    name: 'a server that begins with 128 and 40',
    pppd: `${serves} auth require-mschap-v2 require-mppe`,
    session: () => client({ mppe: mppe128 }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.mppe.send?.strength, 128);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'MPPE with state, where it is allowed: losses of either direction are got over',
    pppd: `${serves} auth require-mschap-v2 require-mppe-128 mppe-stateful noipv6`,
    session: () => client({ mppe: { ...mppe128, stateful: 'preferred' } }),
    check: recoversFromLosses,
  },
  {
    name: 'a server with full headers and every control character escaped',
    pppd: `${serves} auth require-mschap-v2 noaccomp nopcomp default-asyncmap noccp novj`,
    session: () => client(),
    check: comesUp,
  },
  {
    name: 'an MRU and an MTU of 1,280',
    pppd: `${serves} auth require-mschap-v2 mru 1280 mtu 1280`,
    session: () => client({ asyncMap: 0 }),
    check: comesUp,
  },
  {
    name: 'a server without IPv4',
    pppd: `${serves} auth require-mschap-v2 noip +ipv6`,
    session: () => client(),
    async check({ end }) {
      const { ipv4, ipv6 } = await end.up();
      assert.equal(ipv4, undefined);
      await end.ping(ipv6?.local ?? '', ipv6?.peer ?? '');
    },
  },
  {
    name: 'a server that has no address for us',
    pppd: 'name gateway 10.99.0.1: auth require-mschap-v2 noipv6',
    session: () => client({ ipv6: undefined }),
    check: (meeting) => refused(meeting, /gives no IPv4 address/, Exit.hangup),
  },
  {
    name: 'a server that waits until we begin',
    pppd: `${serves} auth require-mschap-v2 silent`,
    first: 'at once',
    session: () => client(),
    check: comesUp,
  },
  ...(['mschapv2', 'chap-md5'] as const).map(
    (method): Case => ({
      name: `${method}: a server that asks for the proof again and again`,
      pppd: `${serves} auth require-${method === 'mschapv2' ? 'mschap-v2' : 'chap'} chap-interval 1`,
      session: () => client({}, { methods: [method] }),
      async check(meeting) {
        const { end } = meeting;
        const terms = await end.up();
        const asked = () => end.heard.filter((one) => one === PppProtocol.chap).length;
        const before = asked();
        // Challenge and Success of each.
        await end.until('it asks three times', () => asked() >= before + 6);
        await pingBothWays(meeting, terms);
        assert.equal(end.down, undefined);
      },
    }),
  ),
  {
    name: 'a server that asks for the proof again by EAP gets none, and ends the link',
    pppd: `${serves} auth require-eap eap-interval 1 eap-restart 1 eap-max-sreq 5`,
    session: () => client({}, { methods: ['eap'] }),
    async check(meeting) {
      await meeting.end.up();
      await refused(meeting, /^peer: the peer said goodbye: Authentication failed/, Exit.peerAuthFailed);
    },
  },
  {
    name: 'kill -9: our echo finds it',
    pppd: `${serves} auth require-mschap-v2`,
    session: () => client({ echoInterval: 200, echoFailures: 2 }),
    async check({ end, pppd }) {
      await end.up();
      await pppd.signal('KILL');
      assert.deepEqual((await end.ended()).reason, { cause: 'lost', detail: 'the peer stopped answering' });
    },
  },
  {
    name: 'we say goodbye',
    pppd: `${serves} auth require-mschap-v2`,
    session: () => client(),
    async check({ end, pppd }) {
      await end.up();
      end.act((session, now) => session.close({ cause: 'shutdown', detail: '' }, now));
      assert.equal((await end.ended()).reason.cause, 'shutdown');
      const { code, log } = await pppd.ended;
      assert.match(log, /LCP terminated by peer \(shutting down\)/);
      assert.equal(code, Exit.hangup);
    },
  },
];
