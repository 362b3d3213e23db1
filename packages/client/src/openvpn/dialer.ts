/** From a profile and its secrets to what the openvpn transport dials with, and from its failures to ours. */
import type { Logger } from '@culvert/base';
import type { OpenvpnProfile, ProfileFile } from '@culvert/config';
import type { Link, Transport } from '@culvert/core';
import type { AeadName } from '@culvert/openvpn';
import { type CertificateTlsContext, createTlsContext } from '@culvert/tls';
import { createOpenvpnTransport, type OpenvpnDialOptions, type OpenvpnListenOptions } from '@culvert/transport';
import { dialError } from '../dial-error.ts';
import { ClientError } from '../errors.ts';
import { openKey } from '../private-key.ts';
import type { Candidate, Credentials, Dialer, DialHandlers, Secrets } from '../profile.ts';
import { certificateCheck, checkedTls, type TlsFailure } from './checked-tls.ts';
import { clientWrap } from './profile-wrap.ts';

const SUPPORTED: readonly AeadName[] = ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'];
const DEFAULT_TUN_MTU = 1_500;

/** Alerts by which a peer says that it does not want our certificate, or us (RFC 8446, section 6.2). */
const REFUSING_ALERTS = new Set([41, 42, 43, 44, 45, 46, 48, 49, 116]);

export class OpenvpnDialer implements Dialer {
  readonly #transport: Transport<OpenvpnListenOptions, OpenvpnDialOptions> = createOpenvpnTransport();
  readonly #profile: OpenvpnProfile;
  readonly #tls: CertificateTlsContext;
  readonly #options: Omit<OpenvpnDialOptions, 'remote' | 'protocol' | 'tls'>;
  readonly #log: Logger;

  /** Throws ClientError CULVERT_CLIENT_PROFILE, ConfigError or TlsError, for a profile that makes no session. */
  constructor(options: { readonly profile: OpenvpnProfile; readonly secrets: Secrets; readonly log: Logger }) {
    this.#profile = options.profile;
    this.#log = options.log;
    this.#options = sessionOptions(options.profile, options.secrets.credentials);
    this.#tls = tlsContext(options.profile, options.secrets.passphrase, (message) => this.#log.warn(message));
  }

  async dial(candidate: Candidate, on: DialHandlers): Promise<Link> {
    let failure: TlsFailure | undefined;
    const tls = checkedTls(this.#tls, certificateCheck(this.#profile), (heard) => {
      failure ??= heard;
    });
    const { address, port, protocol } = candidate;
    const handshakeWindow = Math.min(on.timeout, this.#options.handshakeWindow ?? on.timeout);
    try {
      return await this.#transport.dial(
        {
          ...this.#options,
          remote: { address, port },
          protocol,
          tls,
          handshakeWindow,
          join: on.join ?? 0,
          ...(on.trains !== undefined && { trains: on.trains }),
        },
        { onEvent: on.onEvent, log: this.#log, signal: on.signal },
      );
    } catch (cause) {
      throw failure === undefined ? dialError(cause) : tlsError(failure);
    }
  }

  close(): void {
    this.#tls.close();
  }
}

/** What TLS heard tells more than the transport's error. */
function tlsError({ alert, reason }: TlsFailure): ClientError {
  if (alert?.from === 'peer') {
    const code = REFUSING_ALERTS.has(alert.number) ? 'CULVERT_CLIENT_REFUSED' : 'CULVERT_CLIENT_NO_LINK';
    return new ClientError(code, reason);
  }
  const ours = alert === undefined || REFUSING_ALERTS.has(alert.number);
  return new ClientError(ours ? 'CULVERT_CLIENT_UNTRUSTED' : 'CULVERT_CLIENT_NO_LINK', reason);
}

function sessionOptions(
  profile: OpenvpnProfile,
  credentials: Credentials | undefined,
): Omit<OpenvpnDialOptions, 'remote' | 'protocol' | 'tls'> {
  const seconds = (value: number | undefined) => (value === undefined ? undefined : value * 1_000);
  const renegotiateAfter = seconds(profile.renegotiate);
  const handshakeWindow = seconds(profile.handshakeWindow);
  const peerInfo = profile.environment.filter(([name]) => /^UV_/.test(name));
  const dataCiphers = ciphersOf(profile);
  return {
    wrap: clientWrap(profile.wrap),
    mtu: profile.tunMtu ?? DEFAULT_TUN_MTU,
    ...(credentials === undefined ? {} : credentials),
    ...(dataCiphers === undefined ? {} : { dataCiphers }),
    ...(renegotiateAfter === undefined ? {} : { renegotiateAfter }),
    ...(handshakeWindow === undefined ? {} : { handshakeWindow }),
    ...(peerInfo.length === 0 ? {} : { peerInfo: new Map(peerInfo) }),
  };
}

function ciphersOf(profile: OpenvpnProfile): readonly AeadName[] | undefined {
  if (profile.dataCiphers === undefined) return undefined;
  const names = profile.dataCiphers.map((name) => name.toUpperCase());
  const usable = SUPPORTED.filter((name) => names.includes(name)).sort((a, b) => names.indexOf(a) - names.indexOf(b));
  if (usable.length > 0) return usable;
  throw new ClientError('CULVERT_CLIENT_PROFILE', `data-ciphers ${names.join(':')}: none of ${SUPPORTED.join(', ')}`);
}

function tlsContext(
  profile: OpenvpnProfile,
  passphrase: string | undefined,
  onWarning: (message: string) => void,
): CertificateTlsContext {
  const refuse = (what: string) => new ClientError('CULVERT_CLIENT_PROFILE', what);
  if (profile.pkcs12 !== undefined)
    throw refuse('pkcs12 is not supported yet; openssl pkcs12 takes ca, cert and key out of it');
  if (profile.ca === undefined) throw refuse('it has no ca; peer-fingerprint alone is not supported yet');
  if (profile.remoteCertTls === 'client') throw refuse('remote-cert-tls client: a server has a server certificate');
  if (
    profile.remoteCertTls === undefined &&
    profile.serverName === undefined &&
    profile.peerFingerprints.length === 0
  ) {
    onWarning(
      'the profile has neither remote-cert-tls nor verify-x509-name: another client of this CA could pose as the server',
    );
  }
  const chain = [textOf(profile.certificate), textOf(profile.extraCertificates)].filter((text) => text !== undefined);
  const key = textOf(profile.privateKey);
  return createTlsContext({
    role: 'client',
    ca: textOf(profile.ca) ?? '',
    certificate: profile.certificate === undefined ? undefined : chain.join(''),
    privateKey: key === undefined || passphrase === undefined ? key : openKey(key, passphrase),
    peerCertificate: 'required',
    crl: textOf(profile.crl),
    usage: profile.remoteCertTls === 'server' ? 'required' : 'optional',
    name: nameRule(profile),
    minVersion: profile.tlsVersionMin === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion: profile.tlsVersionMax === '1.2' ? 'TLSv1.2' : 'TLSv1.3',
    onWarning,
  });
}

function nameRule(profile: OpenvpnProfile): { readonly kind: 'exact' | 'prefix'; readonly value: string } | undefined {
  const { serverName } = profile;
  if (serverName === undefined || serverName.kind === 'subject') return undefined; // A subject: see checked-tls.ts.
  return { kind: serverName.kind === 'name' ? 'exact' : 'prefix', value: serverName.value };
}

export function textOf(file: ProfileFile | undefined): string | undefined {
  if (file?.kind === 'file') throw new ClientError('CULVERT_CLIENT_PROFILE', `${file.path} was not read`);
  return file?.text;
}
