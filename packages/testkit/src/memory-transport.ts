/**
 * A Transport without sockets: two ends in one process joined by a wire that can be cut. For tests of what stands on transports.
 *
 * It keeps the contract of `core` in every point that the compliance suite knows. Time is the event loop's.
 */
import type { CloseReason, Endpoint, Millis } from '@culvert/base';
import type { Admission, Admitted, Claim, Link, Listener, Transport, TransportEvent } from '@culvert/core';
import { TestkitError } from './errors.ts';
import { type MemoryLink, pairLinks } from './memory-link.ts';

type ListenHandlers = Parameters<Transport['listen']>[1];
type DialHandlers = Parameters<Transport['dial']>[1];

export interface MemoryListenOptions {
  readonly network: MemoryNetwork;
  /** @default never */
  readonly rekeyAfter?: Millis;
}

export interface MemoryDialOptions {
  readonly network: MemoryNetwork;
  readonly username?: string;
  readonly password?: string;
  /** How long to try when nobody answers. @default 1,000 */
  readonly patience?: Millis;
}

const LISTENER: Endpoint = { address: '198.51.100.1', port: 1 };

/** The wire, and the address book of one test. */
export class MemoryNetwork {
  /** Links that are up, both ends of each. */
  readonly links = new Set<MemoryLink>();
  listener: MemoryListener | undefined;
  #cut = false;
  #port = 40_000;

  get cut(): boolean {
    return this.#cut;
  }

  /** From now on nothing passes; links end as lost after their keepalive's timeout unless it is healed before. */
  cutWire(): void {
    this.#cut = true;
    for (const link of this.links) link.handleSilence();
  }

  healWire(): void {
    this.#cut = false;
    for (const link of this.links) link.handleVoice();
  }

  /** The dialling end's address changes; the listening end notices with the next packet. */
  roam(): void {
    for (const link of this.links) if (link.listening) link.roamed = this.nextEndpoint();
  }

  /** Bytes from a stranger reach the listener. */
  hostile(bytes: Uint8Array): void {
    if (this.listener !== undefined) this.listener.stats.malformedBytes += bytes.length;
  }

  nextEndpoint(): Endpoint {
    return { address: '192.0.2.1', port: this.#port++ };
  }
}

export function createMemoryTransport(): Transport<MemoryListenOptions, MemoryDialOptions> {
  return {
    name: 'memory',
    capabilities: { roaming: true, rekey: true, ipv6Outside: true, ipv6Inside: true, configures: true },
    listen: async (at, on) => {
      on.signal.throwIfAborted();
      return new MemoryListener(at, on);
    },
    dial: async (to, on) => {
      const listener = await reach(to, on.signal);
      return await listener.handleDial(to, on);
    },
  };
}

async function reach(to: MemoryDialOptions, signal: AbortSignal): Promise<MemoryListener> {
  const deadline = performance.now() + (to.patience ?? 1_000);
  for (;;) {
    if (signal.aborted) throw new TestkitError('CULVERT_TESTKIT_ABORTED');
    if (!to.network.cut && to.network.listener !== undefined) return to.network.listener;
    if (performance.now() > deadline) throw new TestkitError('CULVERT_TESTKIT_UNREACHABLE');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

class MemoryListener implements Listener {
  readonly endpoints = [LISTENER];
  readonly stats = { attempts: 0, malformedBytes: 0 };
  readonly #at: MemoryListenOptions;
  readonly #on: ListenHandlers;
  readonly #links = new Set<MemoryLink>();
  readonly #stopped = new AbortController();
  #attempts = 0;

  constructor(at: MemoryListenOptions, on: ListenHandlers) {
    this.#at = at;
    this.#on = on;
    at.network.listener = this;
    const why: CloseReason = { cause: 'shutdown', detail: 'the listener was told to stop' };
    on.signal.addEventListener('abort', () => void this.close(why), { once: true, signal: this.#stopped.signal });
  }

  async handleDial(to: MemoryDialOptions, dialler: DialHandlers): Promise<Link> {
    const id = ++this.#attempts;
    this.stats.attempts++;
    const remote = this.#at.network.nextEndpoint();
    const path = { socket: 0, local: LISTENER, remote };
    this.#on.onEvent({ kind: 'attempt', id, path });
    const gone = AbortSignal.any([dialler.signal, this.#stopped.signal]);
    const asked = askAdmission(this.#on.admission, claimOf(to, remote), gone);
    const answer = await unlessAborted(asked, gone);
    if (answer === undefined) {
      const reason: CloseReason = { cause: 'lost', detail: 'the other end is gone' };
      void releaseLate(asked, reason);
      this.#on.onEvent({ kind: 'failed', id, path, reason });
      throw new TestkitError('CULVERT_TESTKIT_ABORTED');
    }
    if (answer.kind === 'admitted') return this.#connect(id, path, answer, dialler.onEvent);
    const [reason, tell] =
      answer.kind === 'refused' ? [answer.reason, answer.tell] : ['a challenge cannot be answered here', answer.text];
    this.#on.onEvent({ kind: 'refused', id, path, reason });
    throw new TestkitError('CULVERT_TESTKIT_REFUSED', tell);
  }

  #connect(id: number, path: Link['path'], admitted: Admitted, onDialEvent: (event: TransportEvent) => void): Link {
    const [ours, theirs] = pairLinks({
      id,
      path,
      admitted,
      network: this.#at.network,
      rekeyAfter: this.#at.rekeyAfter,
      onEvents: [this.#on.onEvent, onDialEvent],
    });
    this.#links.add(ours);
    void ours.closed.then((why) => {
      this.#links.delete(ours);
      admitted.release(why);
    });
    this.#on.onLink(ours);
    return theirs;
  }

  async close(why: CloseReason): Promise<void> {
    this.#stopped.abort();
    if (this.#at.network.listener === this) this.#at.network.listener = undefined;
    await Promise.all([...this.#links].map((link) => link.close(why)));
  }
}

function claimOf(to: MemoryDialOptions, remote: Endpoint): Claim {
  const { username, password } = to;
  const shown = username !== undefined && password !== undefined ? { username, password } : undefined;
  return { transport: 'memory', remote, certificate: undefined, password: shown, peerInfo: new Map() };
}

/** An admission that fails refuses. */
async function askAdmission(admission: Admission, claim: Claim, signal: AbortSignal): ReturnType<Admission['admit']> {
  try {
    return await admission.admit(claim, signal);
  } catch (error) {
    return { kind: 'refused', reason: `admission failed: ${String(error)}`, tell: 'authentication failed' };
  }
}

/** The promise's value; undefined when the signal comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const listener = () => resolve(undefined);
  signal.addEventListener('abort', listener);
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', listener));
}

async function releaseLate(asked: ReturnType<Admission['admit']>, why: CloseReason): Promise<void> {
  const answer = await asked.catch(() => undefined);
  if (answer?.kind === 'admitted') answer.release(why);
}
