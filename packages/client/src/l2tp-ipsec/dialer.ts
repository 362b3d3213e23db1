/** From a profile and its secrets to what the l2tp-ipsec transport dials with. */
import type { Logger } from '@culvert/base';
import { type L2tpConnection, offered } from '@culvert/config';
import type { Link } from '@culvert/core';
import { createL2tpIpsecTransport, type L2tpIpsecDialOptions } from '@culvert/transport';
import { dialInTime } from '../deadline.ts';
import { ClientError } from '../errors.ts';
import { pppOptions } from '../ppp-profile.ts';
import { openKey } from '../private-key.ts';
import type { Candidate, Dialer, DialHandlers, Secrets } from '../profile.ts';

/** Three phases, each repeated a few times on a bad wire. */
const MOST_MS = 30_000;
const HINT = ' (L2TP/IPsec needs UDP ports 500 and 4500)';

export class L2tpIpsecDialer implements Dialer {
  readonly #transport = createL2tpIpsecTransport();
  readonly #options: Omit<L2tpIpsecDialOptions, 'remote'>;
  readonly #log: Logger;

  /** Throws ClientError CULVERT_CLIENT_PROFILE or CULVERT_CLIENT_CREDENTIALS. */
  constructor(options: { readonly profile: L2tpConnection; readonly secrets: Secrets; readonly log: Logger }) {
    this.#log = options.log;
    this.#options = l2tpDialOptions(options.profile, options.secrets);
  }

  async dial({ address }: Candidate, on: DialHandlers): Promise<Link> {
    const handshakeWindow = Math.min(on.timeout, MOST_MS);
    const offloads = { join: on.join ?? 0, ...(on.trains !== undefined && { trains: on.trains }) };
    const to = { ...this.#options, remote: { address }, handshakeWindow, ...offloads };
    try {
      return await dialInTime(this.#transport, to, on, { log: this.#log, hint: HINT });
    } catch (cause) {
      throw isAboutProposals(cause) ? withAdvice(cause, to) : cause;
    }
  }

  /** Nothing is held between calls. */
  close(): void {}
}

/** IKEv1 says that nothing fits, and not what would. */
function isAboutProposals(error: unknown): error is ClientError {
  return (
    error instanceof ClientError &&
    error.code === 'CULVERT_CLIENT_REFUSED' &&
    /none of our proposals/.test(error.message)
  );
}

function withAdvice(
  { message }: ClientError,
  { phase1, esp }: Pick<L2tpIpsecDialOptions, 'phase1' | 'esp'>,
): ClientError {
  const advice =
    phase1 === undefined && esp === undefined
      ? 'its operator can tell what it takes; if that is broken by now, name it in the connection (ipsec-ike=3des-sha1-modp1024, ' +
        'ipsec-esp=3des-sha1) and import that with --accept-insecure'
      : 'nothing but what the connection lists (ipsec-ike, ipsec-esp) is offered: its operator can tell what it takes';
  return new ClientError('CULVERT_CLIENT_REFUSED', `${message}; ${advice}`);
}

/** What a profile says of every dial. Throws ClientError CULVERT_CLIENT_PROFILE, CULVERT_CLIENT_CREDENTIALS or CULVERT_CLIENT_INSECURE. */
export function l2tpDialOptions(profile: L2tpConnection, secrets: Secrets): Omit<L2tpIpsecDialOptions, 'remote'> {
  const { lifetimes, mru, tunnelSecret } = profile;
  const { phase1Seconds, phase2Seconds } = lifetimes;
  return {
    ...pppOptions(profile, secrets.credentials),
    proof: proofOf(profile, secrets),
    ...algorithmsOf(profile),
    authentication: [profile.authentication],
    lifetimes: { ...(phase1Seconds && { phase1Seconds }), ...(phase2Seconds && { phase2Seconds }) },
    ...(mru && { mru }),
    ...(tunnelSecret !== undefined && { tunnelSecret: Buffer.from(tunnelSecret) }),
  };
}

/** Where one list is weak what is weak is accepted in the other phase too, of which a connection may say nothing. */
function algorithmsOf({ proposals, acceptInsecure }: L2tpConnection) {
  const [ike, esp] = [offered(proposals.ike, acceptInsecure), offered(proposals.esp, acceptInsecure)];
  if (ike?.length === 0 || esp?.length === 0)
    throw new ClientError(
      'CULVERT_CLIENT_INSECURE',
      'all proposals of the connection are weak; culvert import --accept-insecure takes them all the same',
    );
  return {
    weak: [...(ike ?? []), ...(esp ?? [])].some(({ isWeak }) => isWeak),
    phase1: ike?.map(({ algorithms }) => algorithms),
    esp: esp?.map(({ algorithms }) => algorithms),
    forwardSecrecy: esp?.[0]?.group,
  };
}

function proofOf(profile: L2tpConnection, secrets: Secrets): L2tpIpsecDialOptions['proof'] {
  const { machineAuth: auth, server, remoteId } = profile;
  switch (auth.kind) {
    case 'psk': {
      const key = auth.psk ?? Buffer.from(secrets.presharedKey ?? '');
      if (key.length === 0) throw new ClientError('CULVERT_CLIENT_CREDENTIALS', 'the shared secret is empty');
      return { kind: 'pre-shared-key', key };
    }
    case 'pem': {
      const { certificate, ca } = auth;
      const passphrase = auth.passphrase ?? secrets.passphrase;
      const privateKey = passphrase === undefined ? auth.privateKey : openKey(auth.privateKey, passphrase);
      return { kind: 'certificate', certificate, privateKey, ca, serverName: remoteId ?? server };
    }
    case 'files':
      throw new ClientError('CULVERT_CLIENT_PROFILE', `${auth.certificate} was not read`);
  }
}
