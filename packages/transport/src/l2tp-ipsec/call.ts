/**
 * One call, the same for both roles: joins PPP to its L2TP session, and both to one alarm.
 *
 * Owns the order of the end: PPP says goodbye, then L2TP does. Whichever ends by itself takes the other with it, and the first reason stays.
 */
import type { CloseReason, Instant, MonotonicClock, PacketBatch } from '@culvert/base';
import type { Session } from '@culvert/l2tp';
import type { PppEvent, PppSession } from '@culvert/ppp';
import { Alarm } from '../alarm.ts';
import { ourFault } from '../fault-log.ts';
import type { PppLink } from '../ppp/link.ts';
import type { Carrier } from './carrier.ts';
import { DataPath, type Scratch } from './data-path.ts';
import type { L2tpIpsecDialOptions, L2tpIpsecListenOptions } from './options.ts';

/** A peer that lives has answered PPP's goodbye by then. */
const GOODBYE_MILLIS = 1_500;

export interface CallOptions {
  readonly session: Session;
  readonly carrier: Carrier;
  readonly settings: Pick<L2tpIpsecListenOptions | L2tpIpsecDialOptions, 'join' | 'cipherImplementation'>;
  readonly clock: MonotonicClock;
  readonly scratch: Scratch;
  readonly ppp: PppSession;
  onPpp(event: PppEvent): void;
  /** Ends the L2TP session; `handleClosed` follows. */
  hangUp(reason: CloseReason): void;
  /** A mistake of our own, which ends the call. */
  onFault(error: unknown): void;
  /** Once: nothing more will come. */
  onOver(reason: CloseReason): void;
}

export class Call {
  /** Set by the owner when PPP is up. */
  link: PppLink | undefined;
  readonly data: DataPath;
  readonly #options: CallOptions;
  readonly #alarm: Alarm;
  #reason: CloseReason | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  #controlFrames = false;
  #failed = false;
  #over = false;

  constructor(options: CallOptions) {
    this.#options = options;
    const { session, carrier, settings, clock, scratch, ppp } = options;
    this.#alarm = new Alarm(clock, (now) => this.tell(() => ppp.handleTimeout(now)));
    this.data = new DataPath({
      session,
      carrier,
      scratch,
      join: settings.join ?? 0,
      implementation: settings.cipherImplementation,
      onControlFrame: (frame) => {
        this.#controlFrames = true;
        // A copy: what PPP keeps of it outlives the batch.
        ppp.handleFrame(frame.slice(), clock.now());
      },
      onRouterMessage: (packet) => {
        this.#controlFrames = true;
        ppp.handlePacket(packet.slice(), clock.now());
      },
      onPackets: (batch) => this.link?.receive(batch),
      onReceived: () => this.#handleHeard(),
      onFault: (error) => this.fail(error),
    });
  }

  start(): void {
    this.tell((ppp, now) => ppp.open(now));
  }

  /** Something was told to PPP from outside. */
  tell(what: (ppp: PppSession, now: Instant) => void): void {
    if (this.#over || this.#failed) return;
    try {
      what(this.#options.ppp, this.#options.clock.now());
      this.#drain();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Frames of slots `first` to `first + count - 1`. Lent. */
  handleFrames(batch: PacketBatch, first: number, count: number): void {
    if (this.#over || this.#failed) return;
    try {
      this.data.handleFrames(batch, first, count);
      this.#handleHeard();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Above is the event loop, and what it is given ends the process: it ends the call. */
  fail(error: unknown): void {
    const { hangUp, onFault } = this.#options;
    onFault(error);
    if (this.#failed || this.#over) return;
    this.#failed = true;
    this.#reason ??= ourFault;
    this.#alarm.cancel();
    this.data.close();
    hangUp(this.#reason);
  }

  /** Says goodbye; `onOver` follows. */
  close(reason: CloseReason): void {
    if (this.#over || this.#reason !== undefined) return;
    this.#reason = reason;
    this.#goodbye = setTimeout(() => this.#options.hangUp(reason), GOODBYE_MILLIS);
    this.tell((ppp, now) => ppp.close(reason, now));
  }

  /** The L2TP session has ended. */
  handleClosed(closed: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    this.data.close();
    clearTimeout(this.#goodbye);
    this.#alarm.cancel();
    const reason = this.#reason ?? this.#lastWords() ?? closed;
    this.link?.end(reason);
    this.#options.onOver(reason);
  }

  #handleHeard(): void {
    const { ppp, clock } = this.#options;
    if (this.data.takeHeard()) ppp.heard(clock.now());
    // PPP is looked at only where it got something: under traffic its deadlines move later, and early is harmless.
    if (this.#controlFrames) this.#drain();
  }

  #drain(): void {
    if (this.#over) return;
    this.#controlFrames = false;
    const { ppp, onPpp, hangUp } = this.#options;
    for (let frame = ppp.pollTransmit(); frame !== undefined; frame = ppp.pollTransmit()) this.data.sendFrame(frame);
    let down: CloseReason | undefined;
    for (let e = ppp.pollEvent(); e !== undefined; e = ppp.pollEvent()) {
      if (e.kind === 'down') down = e.reason;
      else onPpp(e);
    }
    for (let p = ppp.pollPacket(); p !== undefined; p = ppp.pollPacket()) this.data.sendPacket(p);
    if (down !== undefined) {
      this.#reason ??= down;
      hangUp(this.#reason);
    }
    if (!this.#over) this.#alarm.set(ppp.pollTimeout());
  }

  /** Why PPP was ending when L2TP went: a peer tells its reason there and hangs up, before our PPP has waited for its last answer. */
  #lastWords(): CloseReason | undefined {
    const { ppp, clock, onFault } = this.#options;
    try {
      ppp.carrierLost(clock.now());
      for (let e = ppp.pollEvent(); e !== undefined; e = ppp.pollEvent()) {
        if (e.kind === 'down' && e.reason.cause !== 'lost') return e.reason;
      }
    } catch (error) {
      onFault(error);
    }
    return undefined;
  }
}
