/**
 * One call, the same for both roles: joins PPP to GRE, and both to an alarm.
 *
 * It ends when PPP has said goodbye, or when its control connection says so; the first reason stays.
 */
import type { CloseReason, Instant, MonotonicClock, PacketBatch, Path } from '@culvert/base';
import type { PppEvent, PppSession } from '@culvert/ppp';
import type { ControlConnection } from '@culvert/pptp';
import { Alarm } from '../alarm.ts';
import { ourFault } from '../fault-log.ts';
import type { PppLink } from '../ppp/link.ts';
import type { CallEvent } from './connection.ts';
import { DataPath } from './data-path.ts';
import type { GreCall, GrePort } from './gre-port.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';

/** A peer that lives has answered PPP's goodbye by then; the control connection's takes two seconds at most. */
const GOODBYE_MILLIS = 1_500;

/** What most often keeps PPTP from working; the control connection, which is TCP, gets through. */
const NO_GRE = 'nothing came by GRE (IP protocol 47): a firewall, or a NAT without a helper for PPTP';

const lostPlace: CloseReason = { cause: 'lost', detail: 'so many packets were lost that nothing can be decrypted' };

export interface CallOptions {
  /** The call id was taken from the port, which gets it back. */
  readonly event: CallEvent;
  readonly path: Path;
  readonly port: GrePort;
  readonly settings: PptpListenOptions | PptpDialOptions;
  readonly clock: MonotonicClock;
  readonly inner: PacketBatch;
  readonly ppp: PppSession;
  /** Of its control connection, which it may share with others. */
  readonly controlStats: Readonly<ControlConnection['stats']>;
  /** But for `down` and `encryption-reset`, which are the call's own. */
  onPpp(event: PppEvent): void;
  /** PPP is down: the control connection is to end the call. */
  onDown(reason: CloseReason, now: Instant): void;
  /** A mistake of our own, which ends the call. */
  onFault(error: unknown): void;
  /** Once: nothing more will come. */
  onOver(reason: CloseReason): void;
}

export class Call implements GreCall {
  /** Set by the owner when PPP is up. */
  link: PppLink | undefined;
  readonly data: DataPath;
  readonly #options: CallOptions;
  readonly #alarm: Alarm;
  #reason: CloseReason | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  /** Deadline of all but the tunnel, whose moves with every packet. */
  #slow: Instant | undefined;
  #controlFrames = false;
  #heard = false;
  #failed = false;
  #over = false;

  constructor(options: CallOptions) {
    this.#options = options;
    const { event, port, path, settings, inner, clock, ppp } = options;
    this.#alarm = new Alarm(clock, (now) => {
      try {
        this.#handleTimeout(now);
      } catch (error) {
        this.fail(error);
      }
    });
    this.data = new DataPath({
      peerCallId: event.peerCallId,
      peerWindow: event.peerWindow,
      settings,
      inner,
      outbox: port.connect(event.callId, this, path),
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
      // Not in the middle of a batch.
      onLostPlace: () => queueMicrotask(() => this.close(lostPlace)),
    });
  }

  /** What went wrong on the way, by name, for `Link.wire`: of GRE, MPPE, PPP, and the control connection. */
  get counts() {
    const { controlStats: control, ppp } = this.#options;
    const { stats: gre } = this.data.tunnel;
    const { malformed, unexpected, dropped } = ppp.stats;
    return {
      greLost: gre.lost,
      greLate: gre.late,
      greReordered: gre.reordered,
      greDuplicates: gre.duplicates,
      greFar: gre.far,
      greMalformed: gre.malformed,
      greNudges: gre.nudges,
      windowFull: gre.windowFull,
      keyChanges: this.data.keyChanges,
      pppMalformed: malformed,
      pppUnexpected: unexpected,
      pppDropped: dropped,
      controlMalformed: control.malformed,
      controlUnknown: control.unknown,
      controlUnexpected: control.unexpected,
      wanErrors: control.wanErrors,
    };
  }

  start(now: Instant): void {
    this.#options.ppp.open(now);
    this.#drain(now);
  }

  /** Something was told to PPP from outside. */
  tell(what: (ppp: PppSession, now: Instant) => void): void {
    if (this.#over) return;
    const now = this.#options.clock.now();
    try {
      what(this.#options.ppp, now);
      this.#drain(now);
    } catch (error) {
      this.fail(error);
    }
  }

  handlePackets(batch: PacketBatch, first: number, count: number): void {
    if (this.#over || this.#failed) return;
    this.#heard = true;
    const now = this.#options.clock.now();
    try {
      this.data.handleBatch(batch, first, count, now);
      this.#afterPackets(now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Inner packets; what is in the way of them is counted. */
  send(batch: PacketBatch, now: Instant): void {
    this.data.send(batch, now);
    if (!this.#over) this.#setAlarm();
  }

  /** Says goodbye; `onOver` follows. */
  close(reason: CloseReason): void {
    if (this.#over || this.#reason !== undefined) return;
    this.#reason = reason;
    const { clock, onDown } = this.#options;
    this.#goodbye = setTimeout(() => onDown(reason, clock.now()), GOODBYE_MILLIS);
    this.tell((ppp, now) => ppp.close(reason, now));
  }

  /** The control connection has ended the call, for this reason where PPP has no better one. */
  end(told: CloseReason, now: Instant): void {
    if (this.#over) return;
    this.#over = true;
    const { port, event, onOver } = this.#options;
    clearTimeout(this.#goodbye);
    this.#alarm.cancel();
    const reason = this.#withLikelyCause(this.#reason ?? this.#lastWords(now) ?? told);
    // Before its call id is another's.
    port.give(event.callId);
    this.data.close();
    this.link?.end(reason);
    onOver(reason);
  }

  /** Above is the event loop, and what it is given ends the process: it ends the call. */
  fail(error: unknown): void {
    const { clock, onDown, onFault } = this.#options;
    onFault(error);
    if (this.#failed) return;
    this.#failed = true;
    this.#reason ??= ourFault;
    this.#alarm.cancel();
    onDown(this.#reason, clock.now());
  }

  #handleTimeout(now: Instant): void {
    this.#options.ppp.handleTimeout(now);
    this.data.handleTimeout(now);
    this.#drain(now);
  }

  /** PPP is looked at only where it got something: under traffic its deadlines move later, and early is harmless. */
  #afterPackets(now: Instant): void {
    if (this.data.takeHeard()) this.#options.ppp.heard(now);
    if (this.data.takeWaits()) {
      this.#options.ppp.requestEncryptionReset(now);
      this.#controlFrames = true;
    }
    if (this.#controlFrames) {
      this.#controlFrames = false;
      this.#drain(now);
      return;
    }
    this.data.sendAcknowledgement();
    this.#setAlarm();
  }

  #drain(now: Instant): void {
    if (this.#over) return;
    const { ppp } = this.#options;
    for (let frame = ppp.pollTransmit(); frame !== undefined; frame = ppp.pollTransmit())
      this.data.sendFrame(frame, now);
    for (let e = ppp.pollEvent(); e !== undefined; e = ppp.pollEvent()) {
      if (e.kind === 'down') this.#handleDown(e.reason, now);
      else if (e.kind === 'encryption-reset') this.data.flush();
      else this.#options.onPpp(e);
    }
    for (let p = ppp.pollPacket(); p !== undefined; p = ppp.pollPacket()) this.data.sendPacket(p, now);
    if (this.#over) return;
    this.data.sendAcknowledgement();
    this.#slow = ppp.pollTimeout();
    this.#setAlarm();
  }

  #handleDown(reason: CloseReason, now: Instant): void {
    this.#reason ??= reason;
    clearTimeout(this.#goodbye);
    this.#options.onDown(this.#reason, now);
  }

  #setAlarm(): void {
    this.#alarm.set(earlier(this.#slow, this.data.tunnel.pollTimeout()));
  }

  /** Not where it is we who end the call. */
  #withLikelyCause({ cause, detail }: CloseReason): CloseReason {
    const isBlocked = !this.#heard && (cause === 'lost' || cause === 'peer');
    return isBlocked ? { cause, detail: `${detail}; ${NO_GRE}` } : { cause, detail };
  }

  /** Why PPP was ending when the carrier went: pppd tells its reason there and hangs up, before our PPP has waited for its last answer. */
  #lastWords(now: Instant): CloseReason | undefined {
    const { ppp } = this.#options;
    ppp.carrierLost(now);
    for (let e = ppp.pollEvent(); e !== undefined; e = ppp.pollEvent()) {
      if (e.kind === 'down' && e.reason.cause !== 'lost') return e.reason;
    }
    return undefined;
  }
}

function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : (Math.min(a, b) as Instant);
}
