/** What each peer does: options in its own order, as logs and sources show. Where a source is a log, the values are the log's. */
import type { Protocol, Script, Taste } from './scripted-peer.ts';

const anyLcp: Protocol['takes'] = { 1: 'ack', 2: 'ack', 5: 'ack', 7: 'ack', 8: 'ack' };
const chap: Taste = 'ack';
const wantsMsChap = (option: string): Taste => (option === '0305c22381' ? chap : { nak: '0305c22381' });
const zero = (type: string) => `${type}0600000000`;
export const stateless128: Protocol = {
  asks: ['120601000040'],
  takes: { 18: (option) => (option === '120601000040' ? 'ack' : { nak: '120601000040' }) },
};

/** Windows' three Identifications (RFC 1570): MSRASV5.20, the computer, a GUID. */
const identifications = [
  'ff03c0210c020012 11223344 4d5352415356352e3230',
  'ff03c0210c030015 11223344 4d535241532d302d44454d4f5043',
  'ff03c0210c040018 11223344 000102030405060708090a0b0c0d0e0f',
];

/** The IPV6CP, CCP and IPCP that a Windows client sends at once when it is let in, in this order. */
function windowsNetworks(ccp: string): Script['networks'] {
  return ordered([
    [0x8057, { asks: ['010ad1f2a3b4c5d6e7f8'], takes: { 1: 'ack' } }],
    [0x80fd, { asks: [ccp], takes: stateless128.takes }],
    [0x8021, { asks: [zero('03'), zero('81'), zero('82'), zero('83'), zero('84')], takes: { 3: 'ack' } }],
  ]);
}

/** The pfSense documentation's L2TP log, and an Ubuntu forum's pppd log of 2011: MRU 1400, callback by CBCP. */
export const windowsClient: Script = {
  name: 'Windows client, PPTP',
  role: 'client',
  lcp: { asks: ['01040578', '050639c51a2b', '0702', '0802', '0d0306'], takes: { ...anyLcp, 3: wantsMsChap } },
  networks: windowsNetworks('120601000001'),
  whenOpen: identifications,
  compresses: true,
};

/** The same, with multilink switched on. */
export const windowsMultilink: Script = {
  ...windowsClient,
  name: 'Windows client with multilink',
  lcp: {
    asks: ['01040578', '050639c51a2b', '0702', '0802', '0d0306', '1104064e', `131701${'ab'.repeat(20)}`, '17040005'],
    takes: { ...anyLcp, 3: wantsMsChap },
  },
};

/** Over IPsec Windows asks for a stateless key without naming a strength, and goes on without. */
export const windowsOverIpsec: Script = {
  ...windowsClient,
  name: 'Windows client, L2TP over IPsec',
  networks: windowsNetworks('120601000000'),
};

/** Logs of RRAS: EAP first, callback, multilink; it may want 1,500 for our MRU. */
export const rras: Script = {
  name: 'RRAS',
  role: 'server',
  lcp: {
    asks: [
      '01040578',
      '0304c227',
      '05064a7b1c2d',
      '0702',
      '0802',
      '0d0306',
      '1104064e',
      `131701${'cd'.repeat(20)}`,
      '17040001',
    ],
    takes: { ...anyLcp, 1: (option) => (option === '010405dc' ? 'ack' : { nak: '010405dc' }) },
  },
  networks: ordered([
    [0x80fd, { asks: ['120601000001'], takes: { 18: (option) => (option === '120601000040' ? 'ack' : 'reject') } }],
    [0x8021, { asks: ['03060a630001'], takes: giving('0a630007', '0a630035') }],
  ]),
  compresses: true,
};

/** Stack Exchange, SoftEther issue 2110, and apple-ppp: no MRU, asyncmap, EAP nakked, ACSP after the rest. */
export const macos: Script = {
  name: 'macOS',
  role: 'client',
  lcp: { asks: ['020600000000', '05065dd21e37', '0702', '0802'], takes: { ...anyLcp, 3: wantsMsChap } },
  networks: ordered([
    [0x8021, { asks: [zero('03'), zero('81'), zero('83')], takes: { 3: 'ack' } }],
    [0x8057, { asks: ['010a02235dfffe11a2b3'], takes: { 1: 'ack' } }],
    [0x8235, { asks: [], takes: {} }],
  ]),
  compresses: true,
};

/** mtpd and its pppd (AOSP): MRU 1270, EAP refused, name servers asked for. */
export const android: Script = {
  name: 'Android',
  role: 'client',
  lcp: { asks: ['010404f6', '020600000000', '05067a9b8c7d', '0702', '0802'], takes: { ...anyLcp, 3: wantsMsChap } },
  networks: ordered([
    [0x80fd, stateless128],
    [0x8021, { asks: ['0206002d0f01', zero('03'), zero('81'), zero('83')], takes: { 2: 'ack', 3: 'ack' } }],
  ]),
  ccpFirst: true,
  compresses: true,
};

/** pptp-linux with pppd 2.4.9, as a capture has it: options, and no word on IPCP before CCP is open. */
export const pppdClient: Script = {
  name: 'pppd, client',
  role: 'client',
  lcp: { asks: ['020600000000', '05061a3e8bac', '0702', '0802'], takes: { ...anyLcp, 3: wantsMsChap } },
  networks: ordered([
    [0x80fd, stateless128],
    [0x8021, { asks: ['0206002d0f01', zero('03')], takes: { 2: 'ack', 3: 'ack' } }],
    [0x8057, { asks: ['010ae46bb66e8d8c76a6'], takes: { 1: 'ack' } }],
  ]),
  ccpFirst: true,
  compresses: true,
};

/** pptpd with pppd 2.4.9, from the same capture. It has no name servers. */
export const pppdServer: Script = {
  name: 'pppd, server',
  role: 'server',
  lcp: { asks: ['01040578', '020600000000', '0305c22381', '0506ec45cf40', '0702', '0802'], takes: anyLcp },
  networks: ordered([
    [0x80fd, stateless128],
    [0x8021, { asks: ['0206002d0f01', '0306cb007101'], takes: { 2: 'ack', 3: giving('cb00710a', '')[3] ?? 'ack' } }],
    [0x8057, { asks: ['010a4161c45d09d76796'], takes: { 1: 'ack' } }],
  ]),
  ccpFirst: true,
  compresses: true,
};

/** SoftEther's server (issue 2110): asks for EAP, then MS-CHAPv2, and has no option of ours. */
export const softEther: Script = {
  name: 'SoftEther server',
  role: 'server',
  lcp: { asks: ['0304c227', '010405dc'], takes: { 1: 'ack' } },
  networks: ordered([[0x8021, { asks: ['03060a630001'], takes: giving('0a630007', '0a630035') }]]),
};

/** One that says nothing before it is spoken to, and takes an empty request (SoftEther issue 1102). */
export const silent: Script = {
  name: 'a peer that waits, and wants nothing',
  role: 'client',
  lcp: { asks: [], takes: { ...anyLcp, 3: wantsMsChap }, waits: true },
  networks: ordered([[0x8021, { asks: [zero('03')], takes: { 3: 'ack' }, waits: true }]]),
};

/** A server's tastes: gives an address and the first name server, has no other. */
function giving(address: string, dns: string): Protocol['takes'] {
  const value = (type: string, right: string) => (option: string) =>
    option === `${type}06${right}` ? 'ack' : ({ nak: `${type}06${right}` } as const);
  return { 3: value('03', address), 129: value('81', dns) };
}

/** Keys of an object that look like numbers come in ascending order; these keep the script's. */
function ordered(entries: readonly (readonly [number, Protocol])[]): Script['networks'] {
  return Object.fromEntries(entries.map(([protocol, one]) => [`0x${protocol.toString(16)}`, one]));
}
