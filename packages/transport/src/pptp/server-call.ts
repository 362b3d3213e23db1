/** One client of the gateway: from its TCP connection through admission to the link and its end. */
import type { CloseReason } from '@culvert/base';
import type {
  Admission,
  Admitted,
  Challenge,
  ChallengeResponse,
  Claim,
  Link,
  Refused,
  TransportEvent,
} from '@culvert/core';
import {
  type AuthClaim,
  type AuthOffer,
  type PppEvent,
  PppSession,
  type PppTerms,
  type PppVerdict,
} from '@culvert/ppp';
import { PacConnection } from '@culvert/pptp';
import { Call, type CallOptions } from './call.ts';
import { flawOf } from './data-path.ts';
import { PptpLink } from './link.ts';
import { networkFor } from './network.ts';
import type { PptpListenOptions } from './options.ts';
import { handshakeWindowOf, pppSettings } from './session-settings.ts';

export interface ServerCallOptions
  extends Pick<CallOptions, 'socket' | 'path' | 'port' | 'callId' | 'clock' | 'inner'> {
  /** Names the try and later the link, in events and logs. */
  readonly id: number;
  readonly settings: PptpListenOptions;
  readonly auth: readonly AuthOffer[];
  readonly admission: Admission;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
  /** Once, when nothing of the call is left. */
  onOver(call: ServerCall, called: boolean): void;
}

/** Wrong name or password: the word for all refusals, which tells a stranger least. */
const REFUSED = 691;

export class ServerCall {
  readonly done: Promise<void>;
  readonly #options: ServerCallOptions;
  readonly #call: Call;
  readonly #resolveDone: () => void;
  readonly #abort = new AbortController();
  readonly #peerInfo = new Map<string, string>();
  #called = false;
  #admitted: Admitted | undefined;
  #refusal: string | undefined;

  constructor(options: ServerCallOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
    const { callId, clock, settings, auth } = options;
    this.#call = new Call({
      ...options,
      control: new PacConnection({ callId, now: clock.now(), callDeadline: handshakeWindowOf(settings) }),
      createPpp: () => new PppSession({ role: 'server', auth, ...pppSettings(settings) }),
      onCall: () => this.#begin(),
      onPpp: (event) => this.#handle(event),
      onNote: (message, fields) => this.#note(message, fields),
      onOver: (reason) => this.#over(reason),
    });
    this.#call.start();
  }

  close(why: CloseReason): void {
    this.#call.close(why);
  }

  #begin(): void {
    const { id, path, onEvent } = this.#options;
    this.#called = true;
    onEvent({ kind: 'attempt', id, path });
  }

  #note(message: string, fields: Readonly<Record<string, unknown>>): void {
    for (const name of ['vendor', 'firmware']) {
      const value = fields[name];
      if (value !== undefined && value !== '') this.#peerInfo.set(name, String(value));
    }
    this.#options.onEvent({ kind: 'note', id: this.#options.id, message, fields });
  }

  #handle(event: PppEvent): void {
    switch (event.kind) {
      case 'claim':
        void this.#decide(event.id, event.claim);
        return;
      case 'up':
        this.#up(event.terms);
        return;
      case 'note':
        this.#options.onEvent({ kind: 'note', id: this.#options.id, message: event.message, fields: event.fields });
        return;
      case 'changed':
      case 'encryption-reset':
      case 'down':
        return;
    }
  }

  async #decide(id: number, claim: AuthClaim): Promise<void> {
    const answer = await this.#ask(claim);
    if (this.#call.over) {
      if (answer.kind === 'admitted')
        answer.release({ cause: 'lost', detail: 'the peer was gone before it was admitted' });
      return;
    }
    const verdict = this.#verdictOf(answer);
    this.#call.tell((ppp, now) => ppp.handleVerdict(id, verdict, now));
  }

  async #ask(claim: AuthClaim): Promise<Admitted | Challenge | Refused> {
    const response = responseOf(claim);
    if (response === undefined)
      return { kind: 'refused', reason: `${claim.method} is not allowed`, tell: 'not allowed' };
    const { admission, path } = this.#options;
    const shown: Claim = {
      transport: 'pptp',
      remote: path.remote,
      certificate: undefined,
      password: undefined,
      response,
      peerInfo: this.#peerInfo,
    };
    try {
      return await admission.admit(shown, this.#abort.signal);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { kind: 'refused', reason: `admission failed: ${why}`, tell: 'the gateway cannot decide now, try again' };
    }
  }

  #verdictOf(answer: Admitted | Challenge | Refused): PppVerdict {
    if (answer.kind === 'admitted') {
      if (answer.material !== undefined) {
        this.#admitted = answer;
        return { kind: 'admitted', material: answer.material, network: networkFor(answer.config) };
      }
      answer.release({ cause: 'error', detail: 'admission gave no keys' });
    }
    this.#refusal = reasonOf(answer);
    const message = answer.kind === 'refused' ? answer.tell : 'authentication failed';
    return { kind: 'refused', code: REFUSED, message, retry: false };
  }

  #up(terms: PppTerms): void {
    const { id, path, clock, onLink } = this.#options;
    const { data } = this.#call;
    const admitted = this.#admitted;
    if (admitted === undefined || data === undefined) throw new Error('a peer came up without admission');
    const flaw = flawOf(terms);
    const { send, receive } = terms.mppe;
    if (flaw !== undefined || send === undefined || receive === undefined) {
      this.#call.close(flaw ?? { cause: 'protocol', detail: 'no encryption' });
      return;
    }
    data.secure(terms, send, receive);
    const link = new PptpLink({
      id,
      principal: admitted.principal,
      config: { ...admitted.config, mtu: Math.min(admitted.config.mtu, terms.mtu) },
      path,
      clock,
      stats: data.stats,
      facts: factsOf(terms),
      overhead: data.overhead,
      send: (batch, now) => data.send(batch, now),
      close: (why) => this.#call.close(why),
    });
    this.#call.link = link;
    onLink(link);
  }

  #over(reason: CloseReason): void {
    this.#abort.abort();
    const { id, path, onEvent, onOver } = this.#options;
    if (this.#call.link === undefined && this.#called) {
      if (this.#refusal === undefined) onEvent({ kind: 'failed', id, path, reason });
      else onEvent({ kind: 'refused', id, path, reason: this.#refusal });
    }
    const admitted = this.#admitted;
    this.#admitted = undefined;
    admitted?.release(reason);
    onOver(this, this.#called);
    this.#resolveDone();
  }
}

/** What admission can check; undefined for what is never asked for here. */
function responseOf(claim: AuthClaim): ChallengeResponse | undefined {
  if (claim.method !== 'mschapv2') return undefined;
  const { method, ...fields } = claim;
  return { kind: method, ...fields };
}

function reasonOf(answer: Admitted | Challenge | Refused): string {
  if (answer.kind === 'refused') return answer.reason;
  if (answer.kind === 'challenge') return `admission wants an answer to ${JSON.stringify(answer.text)}`;
  return 'admission gave no keys';
}

/** What both ends agreed on, for status and logs. */
export function factsOf({ method, mppe, addressCompression, protocolCompression }: PppTerms): Record<string, string> {
  return {
    authentication: method ?? 'none',
    encryption: mppe.send === undefined ? 'none' : `MPPE-${mppe.send.strength}`,
    framing: [addressCompression ? 'acfc' : '', protocolCompression ? 'pfc' : ''].filter(Boolean).join(' ') || 'plain',
  };
}
