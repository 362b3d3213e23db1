/** OpenVPN's profiles (`.ovpn`). */
import { type OpenvpnProfile, type ProfileFile, parseOpenvpnProfile, printOpenvpnProfile } from '@culvert/config';
import { isSealed } from '../private-key.ts';
import type { ClientProfile, ProfileFiles, ProfileKind, Retry, SecretNeeds } from '../profile.ts';
import { OpenvpnDialer, textOf } from './dialer.ts';
import { filterPushed } from './pull-filter.ts';

export const openvpnKind: ProfileKind = {
  suffix: '.ovpn',
  recognizes: () => false, // Nothing but the words of its lines marks one.
  parse(text, options) {
    const { profile, problems } = parseOpenvpnProfile(text, options);
    const isBad = problems.some(({ severity }) => severity === 'error');
    return { profile: isBad ? undefined : openvpnClientProfile(profile), problems };
  },
};

export function openvpnClientProfile(profile: OpenvpnProfile): ClientProfile {
  const { redirectGateway } = profile;
  return {
    kind: 'openvpn',
    remotes: profile.remotes,
    remoteRandom: profile.remoteRandom,
    deviceName: profile.deviceName,
    retry: retryOf(profile),
    // Whether the key is sealed is known when its file was read.
    get needs() {
      return needsOf(profile);
    },
    network: {
      routes: profile.routes,
      redirect: { ipv4: redirectGateway?.ipv4 ?? false, ipv6: redirectGateway?.ipv6 ?? false },
      dns: profile.dns,
      blockIpv6: profile.blockIpv6,
    },
    insecurity: undefined,
    accept: () => openvpnClientProfile(profile),
    filterPushed: (pushed) => filterPushed(pushed, profile),
    inline: async (files) => openvpnClientProfile(await inline(profile, files)),
    print: () => printOpenvpnProfile(profile),
    createDialer: (options) => new OpenvpnDialer({ profile, ...options }),
  };
}

function retryOf({ connectTimeout, connectRetry, connectRetryMax }: OpenvpnProfile): Retry {
  const millis = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1_000);
  return {
    timeout: millis(connectTimeout),
    first: millis(connectRetry?.first),
    most: millis(connectRetry?.max),
    rounds: connectRetryMax,
  };
}

function needsOf(profile: OpenvpnProfile): SecretNeeds {
  const { credentials, staticChallenge, privateKey, passphraseFile } = profile;
  return {
    credentials: credentials && {
      username: credentials.kind === 'inline' ? credentials.username : undefined,
      password: credentials.kind === 'inline' ? credentials.password : undefined,
      file: credentials.kind === 'file' ? credentials.path : undefined,
    },
    challenge: staticChallenge,
    passphrase: isSealed(textOf(privateKey) ?? '') ? { file: passphraseFile } : undefined,
    presharedKey: false,
  };
}

async function inline(profile: OpenvpnProfile, files: ProfileFiles): Promise<OpenvpnProfile> {
  const text = (file: ProfileFile | undefined) => inlineFile(file, (path) => files.text(path));
  const { wrap, credentials, passphraseFile } = profile;
  return {
    ...profile,
    ca: await text(profile.ca),
    certificate: await text(profile.certificate),
    privateKey: await text(profile.privateKey),
    extraCertificates: await text(profile.extraCertificates),
    crl: await text(profile.crl),
    pkcs12: await inlineFile(profile.pkcs12, async (path) => Buffer.from(await files.bytes(path)).toString('base64')),
    wrap: wrap.kind === 'none' ? wrap : { ...wrap, key: (await text(wrap.key)) ?? wrap.key },
    passphraseFile: passphraseFile === undefined ? undefined : files.absolute(passphraseFile),
    credentials: credentials?.kind === 'file' ? { kind: 'file', path: files.absolute(credentials.path) } : credentials,
  };
}

async function inlineFile(
  file: ProfileFile | undefined,
  read: (path: string) => Promise<string>,
): Promise<ProfileFile | undefined> {
  if (file?.kind !== 'file') return file;
  const text = await read(file.path);
  return { kind: 'inline', text: text.endsWith('\n') ? text : `${text}\n` };
}
