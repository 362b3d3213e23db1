/** From a profile and its secrets to what the openvpn transport dials with, and from its failures to ours. */
import { createPrivateKey } from 'node:crypto';
import { CulvertError, type Logger, type Millis } from '@culvert/base';
import type { OpenvpnProfile, ProfileFile } from '@culvert/config';
import type { Link, Transport, TransportEvent } from '@culvert/core';
import type { AeadName } from '@culvert/openvpn';
import { type CertificateTlsContext, createTlsContext, TlsError } from '@culvert/tls';
import type { OpenvpnDialOptions, OpenvpnListenOptions } from '@culvert/transport';
import type { Candidate } from './candidates.ts';
import { certificateCheck, checkedTls, type TlsFailure } from './checked-tls.ts';
import type { Credentials } from './credentials.ts';
import { ClientError } from './errors.ts';
import { clientWrap } from './profile-wrap.ts';

export interface Secrets {
  readonly credentials: Credentials | undefined;
  /** Of the private key. */
  readonly passphrase: string | undefined;
}

export interface DialHandlers {
  onEvent(event: TransportEvent): void;
  readonly signal: AbortSignal;
  /** Give up after so long. */
  readonly timeout: Millis;
  /** What the device takes joined: bits of cipher's `Join`. @default 0 */
  readonly join?: number | undefined;
  /** Whether the socket sends and takes datagrams in trains. @default where the kernel has it */
  readonly trains?: boolean | undefined;
}

const SUPPORTED: readonly AeadName[] = ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'];
const DEFAULT_TUN_MTU = 1_500;

/** Alerts by which a peer says that it does not want our certificate, or us (RFC 8446, section 6.2). */
const REFUSING_ALERTS = new Set([41, 42, 43, 44, 45, 46, 48, 49, 116]);

export class Dialer {
  readonly #transport: Transport<OpenvpnListenOptions, OpenvpnDialOptions>;
  readonly #profile: OpenvpnProfile;
  readonly #tls: CertificateTlsContext;
  readonly #options: Omit<OpenvpnDialOptions, 'remote' | 'protocol' | 'tls'>;
  readonly #log: Logger;

  /** Throws ClientError CULVERT_CLIENT_PROFILE, ConfigError or TlsError, for a profile that makes no session. */
  constructor(options: {
    readonly transport: Transport<OpenvpnListenOptions, OpenvpnDialOptions>;
    readonly profile: OpenvpnProfile;
    readonly secrets: Secrets;
    readonly log: Logger;
  }) {
    this.#transport = options.transport;
    this.#profile = options.profile;
    this.#log = options.log;
    this.#options = sessionOptions(options.profile, options.secrets.credentials);
    this.#tls = tlsContext(options.profile, options.secrets.passphrase, (message) => this.#log.warn(message));
  }

  /**
   * Throws ClientError: CULVERT_CLIENT_REFUSED when the server does not let us in, CULVERT_CLIENT_UNTRUSTED when it is not the one
   * that the profile names, else CULVERT_CLIENT_NO_LINK.
   */
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
      throw dialError(cause, failure);
    }
  }

  close(): void {
    this.#tls.close();
  }
}

function dialError(cause: unknown, failure: TlsFailure | undefined): ClientError {
  if (failure === undefined) {
    const refused = cause instanceof CulvertError && cause.code === 'CULVERT_TRANSPORT_REFUSED';
    if (refused) return new ClientError('CULVERT_CLIENT_REFUSED', detailOf(cause));
    return new ClientError('CULVERT_CLIENT_NO_LINK', detailOf(cause), { cause });
  }
  const { alert, reason } = failure;
  if (alert?.from === 'peer') {
    const code = REFUSING_ALERTS.has(alert.number) ? 'CULVERT_CLIENT_REFUSED' : 'CULVERT_CLIENT_NO_LINK';
    return new ClientError(code, reason);
  }
  const ours = alert === undefined || REFUSING_ALERTS.has(alert.number);
  return new ClientError(ours ? 'CULVERT_CLIENT_UNTRUSTED' : 'CULVERT_CLIENT_NO_LINK', reason);
}

/** The part of a message behind its sentence, which says the same as ours. */
function detailOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof CulvertError ? message.slice(message.indexOf(': ') + 1).trim() : message;
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
  return createTlsContext({
    role: 'client',
    ca: textOf(profile.ca) ?? '',
    certificate: profile.certificate === undefined ? undefined : chain.join(''),
    privateKey: openKey(textOf(profile.privateKey), passphrase),
    peerCertificate: 'required',
    crl: textOf(profile.crl),
    usage: profile.remoteCertTls === 'server',
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

export function isSealed(key: ProfileFile | undefined): boolean {
  return /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(textOf(key) ?? '');
}

function openKey(pem: string | undefined, passphrase: string | undefined): string | undefined {
  if (pem === undefined || passphrase === undefined) return pem;
  try {
    return createPrivateKey({ key: pem, format: 'pem', passphrase })
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();
  } catch {
    // OpenSSL's words add nothing that helps, and the usual cause is this one.
    throw new ClientError('CULVERT_CLIENT_CREDENTIALS', 'the passphrase does not open the private key');
  }
}

function textOf(file: ProfileFile | undefined): string | undefined {
  if (file?.kind === 'file') throw new ClientError('CULVERT_CLIENT_PROFILE', `${file.path} was not read`);
  return file?.text;
}

/** Whether an error of TLS is about the profile's own files. */
export function isProfileError(error: unknown): boolean {
  return error instanceof TlsError && error.code !== 'CULVERT_TLS_NATIVE';
}
