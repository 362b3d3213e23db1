/** The packet filter, sentence by sentence, with forged packets through a whole core. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { complain, type Forged, forge } from '../test/forged-packets.ts';
import { Office, type StubLink } from '../test/office.ts';
import type { FilterPolicy, FilterRule } from './filter-policy.ts';
import type { TunnelCoreOptions } from './tunnel-core.ts';

const server = '192.168.10.5';
const server6 = 'fd10::5';
const [client, client6] = ['10.8.0.2', 'fd00::2'];

const https: FilterRule = {
  action: 'allow',
  networks: ['192.168.10.0/24', 'fd10::/64'],
  protocol: 'tcp',
  ports: [{ from: 443, to: 443 }],
};
const dns: FilterRule = {
  action: 'allow',
  networks: ['192.168.10.0/24', 'fd10::/64'],
  protocol: 'udp',
  ports: [{ from: 53, to: 53 }],
};

function setUp(filter?: FilterPolicy, options: Partial<TunnelCoreOptions> = {}, groups: readonly string[] = []) {
  const office = new Office({ filter, ...options });
  return { office, link: office.connect({}, groups) };
}

/** Whether the client's packet reaches the office. */
function out(office: Office, link: StubLink, spec: Partial<Forged> | Uint8Array): boolean {
  link.bring(spec instanceof Uint8Array ? spec : forge({ from: client, to: server, ...spec }));
  return office.delivered().length === 1;
}

/** Whether the office's packet reaches the client. */
function back(office: Office, link: StubLink, spec: Partial<Forged> | Uint8Array): boolean {
  office.send(spec instanceof Uint8Array ? spec : forge({ from: server, to: client, ...spec }));
  return link.received().length === 1;
}

describe('without a policy', () => {
  test('a client reaches what is pushed to it and its gateway, and nothing else', () => {
    const { office, link } = setUp();
    assert.ok(out(office, link, { to: '192.168.10.77', protocol: 'tcp', flags: 'S' }));
    assert.ok(out(office, link, { from: client6, to: server6, protocol: 'icmp' }));
    assert.ok(out(office, link, { to: '10.8.0.1', protocol: 'icmp' }));
    assert.ok(out(office, link, { protocol: 47 }));
    assert.ok(!out(office, link, { to: '192.168.11.1' }));
    assert.ok(!out(office, link, { to: '8.8.8.8' }));
    assert.ok(!out(office, link, { from: client6, to: 'fd11::1' }));
    assert.equal(office.core.view(link)?.counters.dropped.filtered, 3);
  });

  test('a client that sends all its traffic through the tunnel reaches everything of that version', () => {
    const office = new Office();
    const link = office.connect({ routes: [], redirect: { ipv4: true, ipv6: false } });
    assert.ok(out(office, link, { to: '8.8.8.8' }));
    assert.ok(!out(office, link, { from: client6, to: '2001:db8::1' }));
  });

  test('the office reaches no client', () => {
    const { office, link } = setUp();
    assert.ok(!back(office, link, { protocol: 'tcp', flags: 'S' }));
    assert.ok(!back(office, link, { protocol: 'tcp', flags: 'A' }));
    assert.ok(!back(office, link, { protocol: 'udp' }));
    assert.ok(!back(office, link, { protocol: 'icmp' }));
    assert.ok(!back(office, link, { protocol: 47 }));
    assert.ok(!back(office, link, { from: server6, to: client6 }));
  });
});

describe('rules', () => {
  test('the first that matches decides', () => {
    const deny: FilterRule = { action: 'deny', networks: ['192.168.10.5/32'] };
    const first = setUp({ rules: [deny, https], default: 'allow' });
    assert.ok(!out(first.office, first.link, { protocol: 'tcp' }));
    assert.ok(out(first.office, first.link, { to: '192.168.10.6', protocol: 'tcp' }));
    const second = setUp({ rules: [https, deny], default: 'allow' });
    assert.ok(out(second.office, second.link, { protocol: 'tcp' }));
    assert.ok(!out(second.office, second.link, { protocol: 'udp' }));
  });

  test('what none matches gets the default', () => {
    for (const [policy, passes] of [
      ['allow', true],
      ['deny', false],
    ] as const) {
      const { office, link } = setUp({ rules: [https], default: policy });
      assert.equal(out(office, link, { to: '8.8.8.8' }), passes);
    }
    const { office, link } = setUp({ rules: [{ action: 'deny', protocol: 'udp' }] });
    assert.ok(out(office, link, { protocol: 'tcp' }), 'pushed');
    assert.ok(!out(office, link, { protocol: 'udp' }), 'pushed, but denied first');
    assert.ok(!out(office, link, { to: '8.8.8.8', protocol: 'tcp' }), 'not pushed');
  });

  test('a rule with groups is for links in one of them', () => {
    const policy: FilterPolicy = { rules: [{ ...https, groups: ['admins', 'web'] }], default: 'deny' };
    const web = setUp(policy, {}, ['staff', 'web']);
    assert.ok(out(web.office, web.link, { protocol: 'tcp' }));
    const staff = setUp(policy, {}, ['staff']);
    assert.ok(!out(staff.office, staff.link, { protocol: 'tcp' }));
  });

  test('networks, protocol and ports all have to fit', () => {
    const { office, link } = setUp({ rules: [https], default: 'deny' });
    assert.ok(out(office, link, { protocol: 'tcp', ports: [1, 443] }));
    assert.ok(out(office, link, { from: client6, to: server6, protocol: 'tcp', ports: [1, 443] }));
    assert.ok(!out(office, link, { protocol: 'tcp', ports: [443, 444] }));
    assert.ok(!out(office, link, { protocol: 'udp', ports: [1, 443] }));
    assert.ok(!out(office, link, { to: '192.168.11.5', protocol: 'tcp', ports: [1, 443] }));
    assert.ok(!out(office, link, { protocol: 'icmp' }));
  });

  test('a rule of IPv4 networks is no rule for IPv6', () => {
    const { office, link } = setUp({ rules: [{ action: 'allow', networks: ['192.168.10.0/24'] }], default: 'deny' });
    assert.ok(!out(office, link, { from: client6, to: server6 }));
  });

  test('icmp means ICMP in IPv4 and ICMPv6 in IPv6, a number means itself', () => {
    const { office, link } = setUp({
      rules: [
        { action: 'allow', protocol: 'icmp' },
        { action: 'allow', protocol: 47 },
      ],
      default: 'deny',
    });
    assert.ok(out(office, link, { protocol: 'icmp' }));
    assert.ok(out(office, link, { from: client6, to: server6, protocol: 'icmp' }));
    assert.ok(!out(office, link, { protocol: 58 }));
    assert.ok(out(office, link, { protocol: 47 }));
    assert.ok(!out(office, link, { protocol: 50 }));
  });

  test('ports without a protocol are TCP’s and UDP’s', () => {
    const { office, link } = setUp({ rules: [{ action: 'allow', ports: [{ from: 50, to: 60 }] }], default: 'deny' });
    for (const protocol of ['tcp', 'udp'] as const) {
      assert.ok(out(office, link, { protocol, ports: [1, 50] }));
      assert.ok(out(office, link, { protocol, ports: [1, 60] }));
      assert.ok(!out(office, link, { protocol, ports: [1, 61] }));
    }
    assert.ok(!out(office, link, { protocol: 'icmp' }));
  });

  test('a rule from the office opens flows to clients, from its networks alone', () => {
    const fromOffice: FilterRule = {
      action: 'allow',
      direction: 'fromOffice',
      networks: ['192.168.10.5/32'],
      protocol: 'tcp',
      ports: [{ from: 22, to: 22 }],
    };
    const { office, link } = setUp({ rules: [fromOffice], default: 'deny' });
    assert.ok(!out(office, link, { protocol: 'tcp', ports: [22, 40_000], flags: 'SA' }), 'no flow to answer yet');
    assert.ok(back(office, link, { protocol: 'tcp', ports: [40_000, 22], flags: 'S' }));
    assert.ok(out(office, link, { protocol: 'tcp', ports: [22, 40_000], flags: 'SA' }), 'the answer');
    assert.ok(!back(office, link, { protocol: 'tcp', ports: [40_000, 23], flags: 'S' }));
    assert.ok(!back(office, link, { from: '192.168.10.6', protocol: 'tcp', ports: [40_000, 22], flags: 'S' }));
    assert.ok(!out(office, link, { protocol: 'tcp', ports: [40_000, 22], flags: 'S' }), 'it opens none for the client');
  });

  test('a default of allow lets no flow begin in the office', () => {
    const { office, link } = setUp({ rules: [], default: 'allow' });
    assert.ok(!back(office, link, { protocol: 'tcp', flags: 'S' }));
  });

  test('a wrong rule is refused and named', () => {
    const make = (rule: Partial<FilterRule>) => () => setUp({ rules: [https, { action: 'allow', ...rule }] });
    for (const rule of [
      { networks: ['10.0.0.1/8'] },
      { networks: ['office'] },
      { protocol: 256 },
      { protocol: 'icmp' as const, ports: [{ from: 1, to: 2 }] },
      { ports: [{ from: 2, to: 1 }] },
      { ports: [{ from: 0, to: 65_536 }] },
    ]) {
      assert.throws(make(rule), { code: 'CULVERT_CORE_FILTER', message: /rule 2/ });
    }
  });
});

describe('flows', () => {
  test('replies pass: TCP, UDP, echo and protocols without ports, in both IP versions', () => {
    const { office, link } = setUp();
    for (const [from, to] of [
      [client, server],
      [client6, server6],
    ] as const) {
      assert.ok(out(office, link, { from, to, protocol: 'tcp', ports: [1000, 443], flags: 'S' }));
      assert.ok(back(office, link, { from: to, to: from, protocol: 'tcp', ports: [443, 1000], flags: 'SA' }));
      assert.ok(out(office, link, { from, to, protocol: 'udp', ports: [1000, 53] }));
      assert.ok(back(office, link, { from: to, to: from, protocol: 'udp', ports: [53, 1000] }));
      const [request, reply] = from === client ? [8, 0] : [128, 129];
      assert.ok(out(office, link, { from, to, protocol: 'icmp', icmp: [request, 0, 7 << 16] }));
      assert.ok(back(office, link, { from: to, to: from, protocol: 'icmp', icmp: [reply, 0, 7 << 16] }));
      assert.ok(out(office, link, { from, to, protocol: 47 }));
      assert.ok(back(office, link, { from: to, to: from, protocol: 47 }));
    }
  });

  test('what resembles a reply and is none is denied', () => {
    const { office, link } = setUp();
    out(office, link, { protocol: 'tcp', ports: [1000, 443], flags: 'S' });
    out(office, link, { protocol: 'icmp', icmp: [8, 0, 7 << 16] });
    assert.ok(!back(office, link, { protocol: 'tcp', ports: [443, 1001], flags: 'SA' }), 'other port');
    assert.ok(
      !back(office, link, { from: '192.168.10.6', protocol: 'tcp', ports: [443, 1000], flags: 'SA' }),
      'other host',
    );
    assert.ok(!back(office, link, { protocol: 'udp', ports: [443, 1000] }), 'other protocol');
    assert.ok(!back(office, link, { protocol: 'tcp', ports: [443, 1000], flags: 'S' }), 'a connection of its own');
    assert.ok(!back(office, link, { protocol: 'icmp', icmp: [0, 0, 8 << 16] }), 'other identifier');
    assert.ok(!back(office, link, { protocol: 'icmp', icmp: [8, 0, 7 << 16] }), 'a request of its own');
    assert.ok(!back(office, link, { protocol: 'icmp', icmp: [13, 0, 7 << 16] }), 'no echo at all');
  });

  test('an echo with identifier 0 opens the way for no other ICMP', () => {
    const { office, link } = setUp();
    out(office, link, { protocol: 'icmp', icmp: [8, 0, 0] });
    assert.ok(!back(office, link, { protocol: 'icmp', icmp: [13, 0, 0] }));
    assert.ok(back(office, link, { protocol: 'icmp', icmp: [0, 0, 0] }));
  });

  test('an echo reply opens no way back', () => {
    const { office, link } = setUp();
    assert.ok(out(office, link, { protocol: 'icmp', icmp: [0, 0, 7 << 16] }));
    assert.ok(!back(office, link, { protocol: 'icmp', icmp: [8, 0, 7 << 16] }));
    assert.ok(!back(office, link, { protocol: 'icmp', icmp: [0, 0, 7 << 16] }));
  });

  test('a silent flow is forgotten after its timeout, an answered one later', () => {
    const { office, link } = setUp(undefined, { flowTimeouts: { udpOpening: 10_000, udpEstablished: 60_000 } });
    const request = { protocol: 'udp', ports: [1000, 53] } as const;
    const reply = { protocol: 'udp', ports: [53, 1000] } as const;
    out(office, link, request);
    office.pass(11_000);
    assert.ok(!back(office, link, reply));
    out(office, link, request);
    assert.ok(back(office, link, reply));
    office.pass(59_000);
    assert.ok(back(office, link, reply));
    office.pass(61_000);
    assert.ok(!back(office, link, reply));
  });

  test('a TCP flow that said goodbye is forgotten soon', () => {
    for (const flags of ['FA', 'R']) {
      const { office, link } = setUp();
      out(office, link, { protocol: 'tcp', ports: [1000, 443], flags: 'S' });
      back(office, link, { protocol: 'tcp', ports: [443, 1000], flags: 'SA' });
      office.pass(3_600_000);
      assert.ok(back(office, link, { protocol: 'tcp', ports: [443, 1000], flags: 'A' }), 'an idle connection lives on');
      out(office, link, { protocol: 'tcp', ports: [1000, 443], flags });
      office.pass(121_000);
      assert.ok(!back(office, link, { protocol: 'tcp', ports: [443, 1000], flags: 'A' }));
    }
  });

  test('a link’s table is bounded, and a link that fills its own takes nothing from another', () => {
    const office = new Office({ flowsPerLink: 64 });
    const [hostile, other] = [office.connect(), office.connect()];
    other.bring(forge({ from: '10.8.0.3', to: server, ports: [1, 53] }));
    for (let port = 0; port < 3000; port++) hostile.bring(forge({ from: client, to: server, ports: [port, 53] }));
    assert.ok((office.core.view(hostile)?.flows ?? 0) <= 64);
    office.send(forge({ from: server, to: '10.8.0.3', ports: [53, 1] }));
    assert.equal(other.received().length, 1);
  });
});

describe('what hides its ports', () => {
  for (const [from, to] of [
    [client, server],
    [client6, server6],
  ] as const) {
    test(`a later fragment never passes a rule that names ports (${from})`, () => {
      const { office, link } = setUp({ rules: [dns], default: 'deny' });
      assert.ok(!out(office, link, { from, to, ports: [1, 53], fragment: [1480, false, 9] }));
      const deny = setUp({ rules: [{ ...dns, action: 'deny' }], default: 'allow' });
      assert.ok(
        !out(deny.office, deny.link, { from, to, ports: [1, 53], fragment: [1480, false, 9] }),
        'it slips past no denial',
      );
      const open = setUp({ rules: [{ action: 'allow', protocol: 'udp' }], default: 'deny' });
      assert.ok(
        out(open.office, open.link, { from, to, fragment: [1480, false, 9] }),
        'a rule without ports lets it pass',
      );
    });

    test(`fragments of a packet whose first one passed belong to it, in both directions (${from})`, () => {
      const { office, link } = setUp({ rules: [dns], default: 'deny' });
      assert.ok(out(office, link, { from, to, ports: [1, 53], fragment: [0, true, 9] }));
      assert.ok(out(office, link, { from, to, fragment: [1480, true, 9] }));
      assert.ok(out(office, link, { from, to, fragment: [2960, false, 9] }));
      assert.ok(!out(office, link, { from, to, fragment: [1480, false, 10] }), 'other identification');
      assert.ok(!back(office, link, { from: to, to: from, fragment: [1480, false, 9] }), 'other direction');
      assert.ok(back(office, link, { from: to, to: from, ports: [53, 1], fragment: [0, true, 11] }));
      assert.ok(back(office, link, { from: to, to: from, fragment: [1480, false, 11] }));
      office.pass(31_000);
      assert.ok(!back(office, link, { from: to, to: from, fragment: [1480, false, 11] }), 'forgotten');
    });

    test(`a first fragment without its whole upper-layer header has no ports (${from})`, () => {
      const { office, link } = setUp({ rules: [https], default: 'deny' });
      const portsAlone = Uint8Array.of(0x03, 0xe8, 0x01, 0xbb, 0, 0, 0, 0);
      const tiny = forge({ from, to, protocol: 99, payload: portsAlone, fragment: [0, true, 9] });
      tiny[from === client ? 9 : 40] = 6;
      assert.ok(!out(office, link, tiny));
      assert.ok(!out(office, link, { from, to, protocol: 6, fragment: [8, false, 9] }), 'nor do those that follow');
    });
  }

  test('an unknown extension header never passes a rule that names ports', () => {
    const hidden = { from: client6, to: server6, protocol: 'tcp', flags: 'S', extension: 135 } as const;
    const { office, link } = setUp({ rules: [https], default: 'deny' });
    assert.ok(!out(office, link, hidden));
    assert.ok(out(office, link, { ...hidden, extension: 60 }), 'a known one does');
    const deny = setUp({ rules: [{ ...https, action: 'deny' }], default: 'allow' });
    assert.ok(!out(deny.office, deny.link, hidden), 'it slips past no denial');
    const open = setUp({ rules: [{ action: 'allow', networks: ['fd10::/64'] }], default: 'deny' });
    assert.ok(out(open.office, open.link, hidden), 'a rule without protocol and ports lets it pass');
    assert.ok(!back(open.office, open.link, { ...hidden, from: server6, to: client6 }), 'and it opens no flow');
  });
});

describe('ICMP errors', () => {
  for (const [from, to] of [
    [client, server],
    [client6, server6],
  ] as const) {
    test(`those that quote a known flow pass, in both directions and from any router (${from})`, () => {
      const { office, link } = setUp({ rules: [https], default: 'deny' });
      const sent = forge({ from, to, protocol: 'tcp', ports: [1000, 443], flags: 'S' });
      const answer = forge({ from: to, to: from, protocol: 'tcp', ports: [443, 1000], flags: 'SA' });
      assert.ok(out(office, link, sent));
      assert.ok(back(office, link, complain(to, sent)));
      assert.ok(back(office, link, complain(from === client ? '192.168.10.254' : 'fd10::fe', sent)));
      assert.ok(back(office, link, answer));
      assert.ok(out(office, link, complain(from, answer)));
    });

    test(`those of unknown flows never pass a rule that names ports, nor one that does not name ICMP (${from})`, () => {
      const never = forge({ from, to, protocol: 'tcp', ports: [1000, 443] });
      const answerToNone = forge({ from: to, to: from, protocol: 'tcp', ports: [443, 1000], flags: 'SA' });
      for (const rules of [[https], [{ action: 'allow' as const }]]) {
        const { office, link } = setUp({ rules, default: 'allow' });
        assert.ok(!back(office, link, complain(to, never)));
        assert.ok(!out(office, link, complain(from, answerToNone)));
      }
      const icmp = setUp({ rules: [{ action: 'allow', protocol: 'icmp' }], default: 'deny' });
      assert.ok(out(icmp.office, icmp.link, complain(from, answerToNone)), 'a rule for ICMP lets it pass');
    });

    test(`an error whose quotation is not its reader’s own packet is of no known flow (${from})`, () => {
      const office = new Office();
      const link = office.connect({ networksBehind: ['10.50.0.0/16', 'fd50::/48'] });
      const sent = forge({ from, to, protocol: 'tcp', ports: [1000, 443], flags: 'S' });
      assert.ok(out(office, link, sent));
      assert.ok(back(office, link, complain(to, sent)));
      const elsewhere = from === client ? '10.50.0.3' : 'fd50::3';
      const misled = forge({
        from: to,
        to: elsewhere,
        protocol: 'icmp',
        icmp: from === client ? [3, 3, 0] : [1, 4, 0],
        payload: sent,
      });
      assert.ok(!back(office, link, misled));
      const cut = forge({
        from: to,
        to: from,
        protocol: 'icmp',
        icmp: from === client ? [3, 3, 0] : [1, 4, 0],
        payload: sent.slice(0, 24),
      });
      assert.ok(!back(office, link, cut), 'cut short');
    });
  }

  test('a redirect never passes', () => {
    const { office, link } = setUp({ rules: [{ action: 'allow', protocol: 'icmp' }], default: 'allow' });
    const sent = forge({ from: client, to: server });
    out(office, link, sent);
    assert.ok(!back(office, link, complain(server, sent, [5, 1, 0])));
    assert.ok(!out(office, link, complain(client, forge({ from: server, to: client }), [5, 1, 0])));
  });
});

describe('a new policy', () => {
  test('takes effect on known flows with their next packet', () => {
    const { office, link } = setUp({ rules: [https], default: 'deny' });
    const reply = { protocol: 'tcp', ports: [443, 1000], flags: 'A' } as const;
    out(office, link, { protocol: 'tcp', ports: [1000, 443], flags: 'S' });
    assert.ok(back(office, link, reply));
    office.core.setFilter({ rules: [https, dns], default: 'deny' });
    assert.ok(back(office, link, reply), 'still allowed');
    office.core.setFilter({ rules: [dns], default: 'deny' });
    assert.ok(!back(office, link, reply));
    assert.ok(!out(office, link, { protocol: 'tcp', ports: [1000, 443], flags: 'A' }));
    office.core.setFilter({ rules: [https], default: 'deny' });
    assert.ok(!back(office, link, reply), 'the flow was forgotten');
  });

  test('that is wrong changes nothing', () => {
    const { office, link } = setUp({ rules: [https], default: 'deny' });
    assert.throws(() => office.core.setFilter({ rules: [{ action: 'allow', protocol: 999 }] }), {
      code: 'CULVERT_CORE_FILTER',
    });
    assert.ok(out(office, link, { protocol: 'tcp', ports: [1000, 443], flags: 'S' }));
  });
});
