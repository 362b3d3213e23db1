/** Profiles of L2TP/IPsec: connections of NetworkManager (`.nmconnection`), and Apple's (`.mobileconfig`), which are stored as the former. */
import {
  type L2tpConnection,
  type L2tpProfile,
  type ParsedProfileOf,
  type PortableAuth,
  parseAppleProfile,
  parseNetworkManagerL2tp,
  printNetworkManagerL2tp,
  weakProposals,
} from '@culvert/config';
import { filterTold, profileNetworkOf, usualRetry } from '../ppp-profile.ts';
import { isSealed } from '../private-key.ts';
import type { ClientProfile, ProfileKind, SecretNeeds } from '../profile.ts';
import { inlineAuth } from './certificates.ts';
import { L2tpIpsecDialer } from './dialer.ts';

/** Of IKE (RFC 2409, appendix A). */
const PORT = 500;

export const l2tpIpsecKind: ProfileKind = {
  suffix: '.nmconnection',
  recognizes: (text) => isApple(text) || /^service-type\s*=\s*org\.freedesktop\.NetworkManager\.l2tp\s*$/m.test(text),
  parse(text, options) {
    const parsed = isApple(text) ? appleProfile(text, options) : parseNetworkManagerL2tp(text, options);
    return { profile: parsed.profile && l2tpClientProfile(parsed.profile), problems: parsed.problems };
  },
};

function isApple(text: string): boolean {
  return /<plist[\s>]/.test(text);
}

/** As it was read, or as it is stored. */
type Connection = L2tpConnection<L2tpConnection['machineAuth'] | PortableAuth>;

function appleProfile(text: string, options: { readonly file: string }): ParsedProfileOf<Connection> {
  const { profile, problems } = parseAppleProfile(text, options);
  return { profile: profile && connectionOf(profile), problems };
}

/** Apple's profiles say no more. */
function connectionOf({ redirect, ...profile }: L2tpProfile<PortableAuth>): Connection {
  return {
    ...profile,
    domain: undefined,
    authentication: 'mschapv2',
    tunnelSecret: undefined,
    remoteId: undefined,
    proposals: { ike: undefined, esp: undefined },
    lifetimes: { phase1Seconds: undefined, phase2Seconds: undefined },
    mru: undefined,
    echo: undefined,
    network: {
      routes: [],
      redirect: { ipv4: redirect, ipv6: redirect },
      dns: { servers: [], search: [] },
      ignoreServersDns: false,
      ipv6: true,
    },
    acceptInsecure: false,
  };
}

function l2tpClientProfile(read: Connection): ClientProfile {
  const { server, network } = read;
  const stored = (): L2tpConnection => {
    const { machineAuth } = read;
    if (machineAuth.kind === 'pkcs12') throw new Error('a profile is printed and dialled after its files were read');
    return { ...read, machineAuth };
  };
  return {
    kind: 'l2tp-ipsec',
    remotes: [{ host: server, port: PORT, protocol: 'udp', family: undefined }],
    remoteRandom: false,
    deviceName: undefined,
    retry: usualRetry,
    needs: needsOf(read),
    network: profileNetworkOf(network),
    insecurity: insecurityOf(read),
    accept: () => l2tpClientProfile({ ...read, acceptInsecure: true }),
    filterPushed: (told) => filterTold(told, network),
    inline: async (files) => l2tpClientProfile({ ...read, machineAuth: await inlineAuth(read.machineAuth, files) }),
    print: () => printNetworkManagerL2tp(stored()),
    createDialer: ({ secrets, log }) => new L2tpIpsecDialer({ profile: stored(), secrets, log }),
  };
}

function needsOf({ username, password, machineAuth: auth }: Connection): SecretNeeds {
  const sealed = auth.kind === 'pem' && auth.passphrase === undefined && isSealed(auth.privateKey);
  return {
    credentials: { username, password, file: undefined },
    challenge: undefined,
    passphrase: sealed ? { file: undefined } : undefined,
    presharedKey: auth.kind === 'psk' && auth.psk === undefined,
  };
}

function insecurityOf({ proposals, acceptInsecure }: Connection): ClientProfile['insecurity'] {
  const weak = weakProposals(proposals);
  if (weak === undefined) return undefined;
  const why =
    `the connection's proposals (${weak}) are all by 3DES or Diffie-Hellman groups below 2048 bits: ` +
    'whoever records a session may read it one day, and some can today';
  return { why, accepted: acceptInsecure };
}
