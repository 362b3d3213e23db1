/** The kinds of profiles that there are. */
import { ClientError } from './errors.ts';
import { l2tpIpsecKind } from './l2tp-ipsec/kind.ts';
import { openvpnKind } from './openvpn/kind.ts';
import { pptpKind } from './pptp/kind.ts';
import type { KindName, ProfileKind } from './profile.ts';

export const kinds: Readonly<Record<KindName, ProfileKind>> = {
  openvpn: openvpnKind,
  pptp: pptpKind,
  'l2tp-ipsec': l2tpIpsecKind,
};

/** Ends of the names of stored profiles. */
export const storedSuffixes: readonly string[] = [...new Set(Object.values(kinds).map(({ suffix }) => suffix))];

/**
 * The kind that reads `text`: OpenVPN's where no other recognizes it. Throws ClientError CULVERT_CLIENT_PROFILE for a connection of
 * NetworkManager that is for something else.
 *
 * @param file its name
 */
export function kindOf(text: string, file: string): ProfileKind {
  const kind = Object.values(kinds).find((one) => one.recognizes(text));
  if (kind === undefined && /^\[connection\]\s*$/m.test(text)) {
    const [, service] = /^(?:service-)?type\s*=\s*(.*?)\s*$/m.exec(text.replace(/^type\s*=\s*vpn\s*$/m, '')) ?? [];
    throw new ClientError(
      'CULVERT_CLIENT_PROFILE',
      `${file} is a connection of NetworkManager of type ${service ?? 'unknown'}; those of PPTP and L2TP are read, and for OpenVPN take the .ovpn`,
    );
  }
  return kind ?? openvpnKind;
}
