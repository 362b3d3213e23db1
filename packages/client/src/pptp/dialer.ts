/** From a profile and its secrets to what the pptp transport dials with. */
import type { Logger } from '@culvert/base';
import type { PptpProfile } from '@culvert/config';
import type { Link } from '@culvert/core';
import { createPptpTransport, type PptpDialOptions } from '@culvert/transport';
import { dialInTime } from '../deadline.ts';
import { pppOptions } from '../ppp-profile.ts';
import type { Candidate, Dialer, DialHandlers, Secrets } from '../profile.ts';

/** Servers answer within a second or not at all. */
const MOST_MS = 30_000;
const HINT = ' (PPTP needs TCP port 1723 and IP protocol 47, GRE, which many networks drop)';

export class PptpDialer implements Dialer {
  readonly #transport = createPptpTransport();
  readonly #options: Omit<PptpDialOptions, 'remote'>;
  readonly #log: Logger;

  /** Throws ClientError CULVERT_CLIENT_CREDENTIALS. */
  constructor(options: { readonly profile: PptpProfile; readonly secrets: Secrets; readonly log: Logger }) {
    this.#log = options.log;
    this.#options = pptpDialOptions(options.profile, options.secrets);
  }

  async dial({ address, port }: Candidate, on: DialHandlers): Promise<Link> {
    const handshakeWindow = Math.min(on.timeout, MOST_MS);
    const to = { ...this.#options, remote: { address, port }, handshakeWindow, join: on.join ?? 0 };
    return await dialInTime(this.#transport, to, on, { log: this.#log, hint: HINT });
  }

  /** Nothing is held between calls. */
  close(): void {}
}

/** What a profile says of every dial. Throws ClientError CULVERT_CLIENT_CREDENTIALS. */
export function pptpDialOptions(profile: PptpProfile, { credentials }: Secrets): Omit<PptpDialOptions, 'remote'> {
  const { strengths, stateful } = profile;
  return { ...pppOptions(profile, credentials), strengths, stateful };
}
