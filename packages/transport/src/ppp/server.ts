/**
 * The gateway's side of a PPP session: from what a peer shows through admission to its link and its end.
 *
 * Leaves what carries the session, and its end, to the transport.
 */
import type { CloseReason, Endpoint, Instant, Path } from '@culvert/base';
import type { Admission, Link, LinkConfig, TransportEvent, TransportName } from '@culvert/core';
import { type AuthOffer, type MppeWish, type PppEvent, PppSession, type PppTerms } from '@culvert/ppp';
import type { PppLink, PppLinkOptions } from './link.ts';
import { peerConfig } from './network.ts';
import type { PppOptions } from './options.ts';
import { sessionSettings } from './settings.ts';
import { Verdicts } from './verdict.ts';

export interface PppServerOptions {
  readonly transport: TransportName;
  /** Names the try and later the link, in events and logs. */
  readonly id: number;
  /** Where the peer is now. */
  path(): Path;
  /** Whence it came, for admission. */
  readonly remote: Endpoint;
  /** What it says of itself. */
  readonly peerInfo: ReadonlyMap<string, string>;
  readonly settings: PppOptions;
  readonly auth: readonly AuthOffer[];
  readonly mppe?: MppeWish | undefined;
  readonly admission: Admission;
  /** Tells PPP something from outside. Nothing happens when the session is over. */
  tell(what: (ppp: PppSession, now: Instant) => void): void;
  /** The session is up. Undefined: not as it must be, and the transport ends it. */
  createLink(terms: PppTerms, link: Pick<PppLinkOptions, 'id' | 'principal' | 'config'>): PppLink | undefined;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
}

export class PppServer {
  readonly #options: PppServerOptions;
  readonly #verdicts: Verdicts;
  #link: PppLink | undefined;
  /** What admission gave it, all of which the peer need not have agreed on. */
  #given: LinkConfig | undefined;

  constructor(options: PppServerOptions) {
    this.#options = options;
    this.#verdicts = new Verdicts(options);
  }

  createSession(): PppSession {
    const { settings, auth, mppe } = this.#options;
    return new PppSession({ role: 'server', auth, mppe, ...sessionSettings(settings) });
  }

  handle(event: PppEvent): void {
    switch (event.kind) {
      case 'claim':
        this.#decide(event).catch((error: unknown) => {
          // Told to the call, which it ends.
          this.#options.tell(() => {
            throw error;
          });
        });
        return;
      case 'up':
        this.#up(event.terms);
        return;
      case 'note': {
        const { id, onEvent } = this.#options;
        onEvent({ kind: 'note', id, message: event.message, fields: event.fields });
        return;
      }
      case 'changed':
        if (this.#given !== undefined) this.#link?.reconfigure(peerConfig(this.#given, event.terms));
        return;
      case 'encryption-reset':
      case 'down':
        return;
    }
  }

  /** Nothing more will come. */
  end(reason: CloseReason): void {
    const { id, onEvent } = this.#options;
    const { refusal } = this.#verdicts;
    const path = this.#options.path();
    if (this.#link === undefined) {
      if (refusal === undefined) onEvent({ kind: 'failed', id, path, reason });
      else onEvent({ kind: 'refused', id, path, reason: refusal });
    }
    this.#verdicts.end(reason);
  }

  async #decide({ id, claim }: Extract<PppEvent, { kind: 'claim' }>): Promise<void> {
    const verdict = await this.#verdicts.decide(claim);
    if (verdict !== undefined) this.#options.tell((ppp, now) => ppp.handleVerdict(id, verdict, now));
  }

  #up(terms: PppTerms): void {
    const { id, createLink, onLink } = this.#options;
    const { admitted } = this.#verdicts;
    if (admitted === undefined) throw new Error('a peer came up without admission');
    const { principal, config } = admitted;
    this.#given = config;
    this.#link = createLink(terms, { id, principal, config: peerConfig(config, terms) });
    if (this.#link !== undefined) onLink(this.#link);
  }
}
