/** pppd dials in: our server. */
import assert from 'node:assert/strict';
import { createTlsContext } from '@culvert/tls';
import { type MppeWish, PppProtocol } from '../../src/index.ts';
import { PASSWORD } from '../auth-ends.ts';
import { type Case, type Meeting, network, server } from './case.ts';
import { comesUp, Exit, endsOrderly, pingBothWays, recoversFromLosses, refused } from './outcomes.ts';
import { PppdGuest } from './pppd-guest.ts';

const alice = `noauth user alice password ${PASSWORD}`;
const certificate = `noauth user alice remotename gateway ${PppdGuest.certificatesOf('alice')}`;
const mppe128: MppeWish = { need: 'required', strengths: [128], stateful: false };
const weak: MppeWish = { need: 'required', strengths: [128, 40], stateful: false };
export const serverCases: readonly Case[] = [
  {
    name: 'MS-CHAPv2, MPPE 128, IPv4 and IPv6 with a router, and an orderly end',
    pppd: `${alice} require-mppe-128 +ipv6 usepeerdns`,
    session: () => server({ mppe: mppe128, mru: 1_500 }),
    async check(meeting) {
      const { end, peer } = meeting;
      const terms = await end.up();
      assert.equal(terms.identity, 'alice');
      assert.equal(terms.method, 'mschapv2');
      assert.equal(terms.mppe.send?.strength, 128);
      assert.equal(terms.mtu, 1_496, 'pppd asks for no MRU');
      await pingBothWays(meeting, terms);
      assert.equal(await peer.guest.exec('cat /etc/ppp/resolv.conf'), 'nameserver 10.99.0.53\nnameserver 10.99.0.54\n');
      const { global, link } = await ipv6Of(meeting);
      await end.ping(terms.ipv6?.local ?? '', link);
      await end.ping('fd00:99::1', global, 1_280);
      const route = await peer.guest.exec('ip -6 route show default');
      assert.match(route, new RegExp(`default via ${terms.ipv6?.local} dev ppp0 proto ra`));
      assert.match(await peer.guest.exec(`ping -c1 -W5 -I ${global} fd00:99::53`), /1 received/);
      await endsOrderly(meeting, 'MPPE disabled');
    },
  },
  {
    name: 'a wrong password',
    pppd: 'noauth user alice password no',
    session: () => server(),
    check: (meeting) => refused(meeting, /^refused: /, Exit.authFailed),
  },
  {
    name: 'a user that nobody knows',
    pppd: `noauth user mallory password ${PASSWORD}`,
    session: () => server(),
    check: (meeting) => refused(meeting, /^refused: /, Exit.authFailed),
  },
  {
    name: 'pppd that refuses MS-CHAPv2, where nothing else is allowed',
    pppd: `${alice} refuse-mschap-v2`,
    session: () => server(),
    async check({ end, pppd }) {
      const { reason } = await end.ended();
      assert.match(
        reason.detail,
        /knows no way to authenticate itself that is allowed here: it would have CHAP with MD5$/,
      );
      await pppd.signal('HUP'); // it goes on asking until its carrier ends
      assert.equal((await pppd.ended).code, Exit.hangup);
    },
  },
  ...(['pap', 'chap-md5'] as const).map(
    (method): Case => ({
      name: `${method}, where it is allowed`,
      pppd: `${alice} refuse-mschap-v2 refuse-eap`,
      session: () => server({}, { methods: ['mschapv2', method] }),
      async check(meeting) {
        const terms = await meeting.end.up();
        assert.equal(terms.method, method);
        await pingBothWays(meeting, terms);
      },
    }),
  ),
  ...(['pap', 'chap-md5'] as const).map(
    (method): Case => ({
      name: `${method} with a wrong password`,
      pppd: 'noauth user alice password no',
      session: () => server({}, { methods: [method] }),
      check: (meeting) => refused(meeting, /^refused: /, Exit.authFailed),
    }),
  ),
  {
    name: 'EAP with MD5',
    pppd: alice,
    session: () => server({}, { methods: ['eap'], eap: ['md5'] }),
    async check({ end }) {
      assert.equal((await end.up()).method, 'eap');
    },
  },
  {
    name: 'EAP with MD5 and a wrong password',
    pppd: 'noauth user alice password no',
    session: () => server({}, { methods: ['eap'], eap: ['md5'] }),
    check: (meeting) => refused(meeting, /^refused: /, Exit.authFailed),
  },
  {
    name: 'EAP with MSCHAPv2, MPPE with its keys',
    pppd: `${alice} require-mppe-128`,
    session: () => server({ mppe: mppe128 }, { methods: ['eap'] }),
    check: comesUp,
  },
  {
    name: 'EAP-TLS 1.2, MPPE with its keys',
    pppd: `${certificate} require-mppe-128`,
    session: ({ tls }) =>
      server({ mppe: mppe128 }, { methods: ['eap'], eap: ['tls'], tls: createTlsContext(tls.gateway) }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.identity, 'alice');
      await pingBothWays(meeting, terms);
    },
  },
  {
    // It takes a session ticket for the end, not the last message of RFC 9190, section 2.5, and our engine hands out none.
    name: 'EAP-TLS 1.3, which pppd does not bring to its end',
    pppd: `${certificate} max-tls-version 1.3`,
    session: ({ tls }) => server({}, { methods: ['eap'], eap: ['tls'], tls: createTlsContext(tls.gateway) }),
    check: (meeting) =>
      refused(meeting, /^refused: the peer does not understand how EAP-TLS ends with TLS 1\.3/, Exit.authFailed),
  },
  {
    name: 'pppd without MPPE, where it is required',
    pppd: `${alice} nomppe`,
    session: () => server({ mppe: mppe128 }),
    check: (meeting) => refused(meeting, /^refused: encryption is required/, Exit.hangup),
  },
  {
    name: 'pppd without MPPE, where it is optional',
    pppd: `${alice} nomppe`,
    session: () => server({ mppe: { ...mppe128, need: 'optional' } }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.mppe.send, undefined);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'pppd that takes MPPE 40 alone, where 128 is required',
    pppd: `${alice} require-mppe-40 nomppe-128`,
    session: () => server({ mppe: mppe128 }),
    check: (meeting) => refused(meeting, /MPPE required but peer negotiation failed/, Exit.negotiation),
  },
  {
    name: 'MPPE 40, where it is allowed',
    pppd: `${alice} require-mppe-40 nomppe-128`,
    session: () => server({ mppe: weak }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.mppe.receive?.strength, 40);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'MPPE with state, where it is allowed: losses of either direction are got over',
    pppd: `${alice} require-mppe-128 mppe-stateful noipv6`,
    session: () => server({ mppe: { ...mppe128, stateful: 'preferred' } }),
    check: recoversFromLosses,
  },
  {
    name: 'MPPE with state and 40 bits',
    pppd: `${alice} require-mppe-40 nomppe-128 mppe-stateful noipv6`,
    session: () => server({ mppe: { ...weak, stateful: 'preferred' } }),
    check: recoversFromLosses,
  },
  {
    name: 'compressors and no MPPE: data goes uncompressed',
    pppd: `${alice} deflate 15,15 bsdcomp 15,15 nomppe`,
    session: () => server(),
    check: comesUp,
  },
  {
    name: 'compressors beside MPPE',
    pppd: `${alice} deflate 15,15 bsdcomp 15,15 predictor1 require-mppe-128`,
    session: () => server({ mppe: mppe128 }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.mppe.send?.strength, 128);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'no CCP at all',
    pppd: `${alice} noccp`,
    session: () => server({ mppe: { ...mppe128, need: 'optional' } }),
    check: comesUp,
  },
  {
    name: 'full headers, every control character escaped',
    pppd: `${alice} noaccomp nopcomp default-asyncmap novj require-mppe-128`,
    session: () => server({ mppe: mppe128 }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.deepEqual([terms.addressCompression, terms.protocolCompression], [false, false]);
      assert.equal(terms.asyncMap, 0xffff_ffff);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'compressed headers without MPPE, some characters escaped',
    pppd: `${alice} asyncmap a0000 novjccomp`,
    session: () => server({ asyncMap: 0 }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.deepEqual([terms.addressCompression, terms.protocolCompression], [true, true]);
      assert.equal(terms.asyncMap, 0xa_0000);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'no magic number, and the protocol field alone compressed',
    pppd: `${alice} nomagic noaccomp require-mppe-128`,
    session: () => server({ mppe: mppe128 }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.deepEqual([terms.addressCompression, terms.protocolCompression], [false, true]);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'callback is rejected, and pppd goes on without',
    pppd: `${alice} callback 5551234`,
    session: () => server(),
    check: comesUp,
  },
  {
    name: 'multilink is rejected, and pppd goes on without',
    pppd: `${alice} multilink mrru 1500 endpoint local:01020304 require-mppe-128`,
    session: () => server({ mppe: mppe128 }),
    check: comesUp,
  },
  {
    name: 'full headers asked for by us',
    pppd: alice,
    session: () => server({ compressFields: false, asyncMap: 0 }),
    check: comesUp,
  },
  {
    name: 'an MRU and an MTU of 1,280',
    pppd: `${alice} mru 1280 mtu 1280 require-mppe-128`,
    session: () => server({ mppe: mppe128 }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.mtu, 1_276);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'no IPv6 at the peer',
    pppd: `${alice} noipv6`,
    session: () => server(),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.ipv6, undefined);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'no IPv4 at the peer',
    pppd: `${alice} noip +ipv6`,
    session: () => server(),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.ipv4, undefined);
      const { global } = await ipv6Of(meeting);
      await meeting.end.ping('fd00:99::1', global);
    },
  },
  {
    name: 'no IPv6 at our end',
    pppd: `${alice} +ipv6`,
    network: { ipv4: network.ipv4, ipv6: undefined },
    session: () => server(),
    check: comesUp,
  },
  {
    name: 'a peer that names its own addresses gets ours',
    pppd: `${alice} 192.0.2.7:192.0.2.1 ipcp-accept-local ipcp-accept-remote`,
    session: () => server(),
    check: comesUp,
  },
  {
    name: 'a peer that insists on its own address',
    pppd: `${alice} noipv6 192.0.2.7:`,
    session: () => server(),
    check: (meeting) => refused(meeting, /the peer insists on the address 192\.0\.2\.7/, Exit.hangup),
  },
  {
    name: 'pppd without authentication, where none is asked for',
    pppd: 'noauth',
    session: () => server({ auth: [], network }),
    async check(meeting) {
      const terms = await meeting.end.up();
      assert.equal(terms.identity, undefined);
      await pingBothWays(meeting, terms);
    },
  },
  {
    name: 'pppd that waits until we begin',
    pppd: `${alice} silent`,
    first: 'at once',
    session: () => server(),
    check: comesUp,
  },
  {
    name: 'pppd that has given up asking, and waits',
    pppd: `${alice} passive lcp-max-configure 1`,
    first: 'late',
    session: () => server(),
    check: comesUp,
  },
  {
    name: 'pppd that wants proof of us too: we have none',
    pppd: `auth require-mschap-v2 user alice password ${PASSWORD} remotename gateway`,
    session: () => server(),
    async check({ end, pppd }) {
      const { reason } = await end.ended();
      assert.deepEqual(reason, {
        cause: 'peer',
        detail:
          'the peer asks for MS-CHAPv2, and we have no proof to show; the peer said goodbye: peer refused to authenticate',
      });
      await pppd.ended;
    },
  },
  {
    name: 'its LCP echoes are answered, and ours',
    pppd: `${alice} lcp-echo-interval 1 lcp-echo-failure 3`,
    session: () => server({ echoInterval: 300, echoFailures: 10 }),
    async check({ end, pppd }) {
      await end.up();
      const lcp = () => end.heard.filter((protocol) => protocol === PppProtocol.lcp).length;
      const before = lcp();
      // Each would have given up on the other before.
      await end.until('twenty echoes and answers come', () => lcp() >= before + 20);
      assert.deepEqual([end.down, pppd.hasEnded], [undefined, false]);
    },
  },
  {
    name: 'its LCP echoes come when nothing else does',
    pppd: `${alice} noipv6 lcp-echo-interval 1 lcp-echo-failure 3 lcp-echo-adaptive`,
    session: () => server(),
    async check({ end, peer, pppd }) {
      const { ipv4 } = await end.up();
      await end.ping(ipv4?.local ?? '', ipv4?.peer ?? '');
      const lcp = () => end.heard.filter((protocol) => protocol === PppProtocol.lcp).length;
      const before = lcp();
      assert.match(await peer.guest.exec(`ping -q -w30 -c15 -i0.2 ${ipv4?.local}`), /15 received/);
      assert.ok(lcp() <= before + 1, 'three seconds of traffic are proof enough, unless a busy machine stands still');
      await end.until('three echoes come', () => lcp() >= before + 3);
      assert.deepEqual([end.down, pppd.hasEnded], [undefined, false]);
    },
  },
  {
    name: 'kill -9: our echo finds it',
    pppd: alice,
    session: () => server({ echoInterval: 200, echoFailures: 2 }),
    async check({ end, pppd }) {
      await end.up();
      await pppd.signal('KILL');
      const { reason } = await end.ended();
      assert.deepEqual(reason, { cause: 'lost', detail: 'the peer stopped answering' });
    },
  },
  {
    name: 'we fall silent: its echo finds it',
    pppd: `${alice} lcp-echo-interval 1 lcp-echo-failure 1`,
    session: () => server(),
    async check({ end, pppd }) {
      await end.up();
      end.dispose();
      const { code, log } = await pppd.ended;
      assert.match(log, /No response to 1 echo-requests/);
      assert.equal(code, Exit.hangup);
    },
  },
  {
    name: 'pppd finds the link idle',
    pppd: `${alice} idle 1 noipv6`,
    session: () => server(),
    async check({ end, pppd }) {
      await end.up();
      assert.deepEqual((await end.ended()).reason, { cause: 'peer', detail: 'the peer said goodbye: Link inactive' });
      assert.equal((await pppd.ended).code, Exit.idle);
    },
  },
  {
    name: 'the time of the connection is over',
    pppd: `${alice} maxconnect 1`,
    session: () => server(),
    async check({ end, pppd }) {
      await end.up();
      assert.deepEqual((await end.ended()).reason, {
        cause: 'peer',
        detail: 'the peer said goodbye: Connect time expired',
      });
      assert.equal((await pppd.ended).code, Exit.maxConnect);
    },
  },
  {
    name: 'we say goodbye',
    pppd: alice,
    session: () => server(),
    async check({ end, pppd }) {
      await end.up();
      end.act((session, now) => session.close({ cause: 'operator', detail: 'for the test' }, now));
      assert.deepEqual((await end.ended()).reason, { cause: 'operator', detail: 'for the test' });
      const { code, log } = await pppd.ended;
      assert.match(log, /LCP TermReq id=0x\w+ "ended by the operator"/);
      assert.equal(code, Exit.hangup);
    },
  },
];

/** Addresses that the guest has made. */
async function ipv6Of({ end, peer }: Meeting): Promise<{ readonly global: string; readonly link: string }> {
  const show = 'ip -6 -json address show dev ppp0';
  await peer.guest.exec(`wait_for 50 sh -c '${show} | grep -q fd00:99:0:7:'; true`);
  const [{ addr_info: addresses }] = JSON.parse(await peer.guest.exec(show)) as [
    { addr_info: { scope: string; local: string }[] },
  ];
  const of = (scope: string) => addresses.find((one) => one.scope === scope)?.local ?? '';
  assert.match(of('global'), /^fd00:99:0:7:/, JSON.stringify(addresses));
  assert.equal(of('link'), end.terms?.ipv6?.peer);
  return { global: of('global'), link: of('link') };
}
