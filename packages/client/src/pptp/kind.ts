/** PPTP's profiles: connections of NetworkManager (`.nmconnection`). */
import { type PptpProfile, parseNetworkManagerPptp, printNetworkManagerPptp } from '@culvert/config';
import { filterTold, profileNetworkOf, usualRetry } from '../ppp-profile.ts';
import type { ClientProfile, ProfileKind } from '../profile.ts';
import { PptpDialer } from './dialer.ts';

/** RFC 2637, section 1.3. */
const PORT = 1723;
const WHY =
  'PPTP protects little: whoever records a session finds its password (MS-CHAPv2) within a day and reads all that went through, ' +
  'and whoever sits between can change what passes (MPPE)';

export const pptpKind: ProfileKind = {
  suffix: '.nmconnection',
  recognizes: (text) => /^service-type\s*=\s*org\.freedesktop\.NetworkManager\.pptp\s*$/m.test(text),
  parse(text, options) {
    const { profile, problems } = parseNetworkManagerPptp(text, options);
    return { profile: profile && pptpClientProfile(profile), problems };
  },
};

function pptpClientProfile(profile: PptpProfile): ClientProfile {
  const { server, username, password, network } = profile;
  return {
    kind: 'pptp',
    remotes: [{ host: server, port: PORT, protocol: 'tcp', family: 4 }],
    remoteRandom: false,
    deviceName: undefined,
    retry: usualRetry,
    needs: {
      credentials: { username, password, file: undefined },
      challenge: undefined,
      passphrase: undefined,
      presharedKey: false,
    },
    network: profileNetworkOf(network),
    insecurity: { why: WHY, accepted: profile.acceptInsecure },
    accept: () => pptpClientProfile({ ...profile, acceptInsecure: true }),
    filterPushed: (told) => filterTold(told, network),
    inline: async () => pptpClientProfile(profile),
    print: () => printNetworkManagerPptp(profile),
    createDialer: ({ secrets, log }) => new PptpDialer({ profile, secrets, log }),
  };
}
