/**
 * One call, the same for both roles: joins the control connection to its TCP socket, PPP to GRE, and all of them to one alarm.
 *
 * Owns the order of the end: PPP says goodbye, then the control connection does, then TCP ends. Whichever of the three ends by itself
 * takes the others with it, and the first reason stays.
 */
import type { Socket } from 'node:net';
import type { CloseReason, Instant, MonotonicClock, PacketBatch, Path } from '@culvert/base';
import type { PppEvent, PppSession } from '@culvert/ppp';
import type { ControlConnection, ControlEvent } from '@culvert/pptp';
import { Alarm } from '../alarm.ts';
import { DataPath } from './data-path.ts';
import type { GreCall, GrePort } from './gre-port.ts';
import type { PptpLink } from './link.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';

/** A peer that lives has answered PPP's goodbye by then; the control connection's takes two seconds at most. */
const GOODBYE_MILLIS = 1_500;
/** For the peer to take our last message and to close its side of the TCP connection. */
const LINGER_MILLIS = 1_000;
/** A peer that lets so many bytes of ours lie is none. */
const MOST_UNREAD = 65_536;

const lostPlace: CloseReason = { cause: 'lost', detail: 'so many packets were lost that nothing can be decrypted' };

export interface CallOptions {
  readonly socket: Socket;
  readonly path: Path;
  readonly control: ControlConnection;
  readonly port: GrePort;
  /** Taken from the port, which gets it back. */
  readonly callId: number;
  readonly settings: PptpListenOptions | PptpDialOptions;
  readonly clock: MonotonicClock;
  readonly inner: PacketBatch;
  createPpp(): PppSession;
  /** The call is up, and PPP begins. */
  onCall(): void;
  onPpp(event: PppEvent): void;
  onNote(message: string, fields: Readonly<Record<string, unknown>>): void;
  /** Once: nothing more will come. */
  onOver(reason: CloseReason): void;
}

export class Call implements GreCall {
  /** Set by the owner when PPP is up. */
  link: PptpLink | undefined;
  readonly #options: CallOptions;
  readonly #alarm: Alarm;
  #data: DataPath | undefined;
  #ppp: PppSession | undefined;
  #reason: CloseReason | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  /** Deadline of all but the tunnel, whose moves with every packet. */
  #slow: Instant | undefined;
  #controlFrames = false;
  #over = false;

  constructor(options: CallOptions) {
    this.#options = options;
    const { socket, control, clock } = options;
    this.#alarm = new Alarm(clock, (now) => this.#handleTimeout(now));
    socket.on('data', (bytes: Uint8Array) => {
      if (this.#over) return;
      const now = clock.now();
      control.handleStream(bytes, now);
      this.#drain(now);
    });
    socket.on('end', () => this.#handleEnd(undefined));
    socket.on('error', (error) => this.#handleEnd(error.message));
    socket.on('close', () => this.#handleEnd(undefined));
  }

  get over(): boolean {
    return this.#over;
  }

  /** Once there is a call. */
  get data(): DataPath | undefined {
    return this.#data;
  }

  start(): void {
    this.#drain(this.#options.clock.now());
  }

  /** Something was told to PPP from outside. */
  tell(what: (ppp: PppSession, now: Instant) => void): void {
    if (this.#over || this.#ppp === undefined) return;
    const now = this.#options.clock.now();
    what(this.#ppp, now);
    this.#drain(now);
  }

  handlePackets(batch: PacketBatch, first: number, count: number): void {
    const data = this.#data;
    if (this.#over || data === undefined) return;
    const now = this.#options.clock.now();
    data.tunnel.handleBatch(batch, first, count, now);
    this.#afterPackets(data, now);
  }

  /** Says goodbye; `onOver` follows. */
  close(reason: CloseReason): void {
    if (this.#over || this.#reason !== undefined) return;
    this.#reason = reason;
    const { control, clock } = this.#options;
    const now = clock.now();
    if (this.#ppp === undefined) control.close(reason, now);
    else {
      this.#goodbye = setTimeout(() => this.#closeControl(reason, clock.now()), GOODBYE_MILLIS);
      this.#ppp.close(reason, now);
    }
    this.#drain(now);
  }

  #closeControl(reason: CloseReason, now: Instant): void {
    this.#options.control.close(reason, now);
    this.#drain(now);
  }

  #handleEnd(error: string | undefined): void {
    if (this.#over) return;
    this.#options.control.handleEnd(error);
    this.#drain(this.#options.clock.now());
  }

  #handleTimeout(now: Instant): void {
    this.#options.control.handleTimeout(now);
    this.#ppp?.handleTimeout(now);
    this.#data?.tunnel.handleTimeout(now);
    this.#drain(now);
  }

  /** The control machinery is looked at only where it got something: under traffic its deadlines move later, and early is harmless. */
  #afterPackets(data: DataPath, now: Instant): void {
    if (data.takeHeard()) this.#ppp?.heard(now);
    if (this.#controlFrames) {
      this.#controlFrames = false;
      this.#drain(now);
      return;
    }
    data.sendAcknowledgement();
    this.#setAlarm();
  }

  #drain(now: Instant): void {
    if (this.#over) return;
    const { control } = this.#options;
    for (let m = control.pollTransmit(); m !== undefined; m = control.pollTransmit()) this.#write(m);
    let closed: CloseReason | undefined;
    for (let e = control.pollEvent(); e !== undefined; e = control.pollEvent()) {
      if (e.kind === 'closed') closed = e.reason;
      else this.#handleControl(e, now);
    }
    this.#drainPpp(now);
    this.#data?.sendAcknowledgement();
    if (closed !== undefined) this.#finish(closed, now);
    if (this.#over) return;
    this.#slow = earlier(control.pollTimeout(), this.#ppp?.pollTimeout());
    this.#setAlarm();
  }

  #drainPpp(now: Instant): void {
    const [ppp, data] = [this.#ppp, this.#data];
    if (ppp === undefined || data === undefined) return;
    for (let frame = ppp.pollTransmit(); frame !== undefined; frame = ppp.pollTransmit()) data.sendFrame(frame, now);
    for (let e = ppp.pollEvent(); e !== undefined; e = ppp.pollEvent()) {
      if (e.kind === 'down') this.#handleDown(e.reason, now);
      else this.#options.onPpp(e);
    }
    for (let p = ppp.pollPacket(); p !== undefined; p = ppp.pollPacket()) data.sendPacket(p, now);
  }

  #handleControl(event: Exclude<ControlEvent, { kind: 'closed' }>, now: Instant): void {
    if (event.kind === 'note') {
      this.#options.onNote(event.message, event.fields);
      return;
    }
    const { port, callId, path, settings, inner } = this.#options;
    const { peerCallId, peerWindow } = event;
    this.#data = new DataPath({
      peerCallId,
      peerWindow,
      settings,
      inner,
      outbox: port.connect(callId, this, path),
      onControlFrame: (frame) => {
        this.#controlFrames = true;
        // A copy: what PPP keeps of it outlives the batch.
        this.#ppp?.handleFrame(frame.slice(), this.#options.clock.now());
      },
      onRouterMessage: (packet) => {
        this.#controlFrames = true;
        this.#ppp?.handlePacket(packet.slice(), this.#options.clock.now());
      },
      onPackets: (batch) => this.link?.receive(batch),
      // Not in the middle of a batch.
      onLostPlace: () => queueMicrotask(() => this.close(lostPlace)),
    });
    this.#options.onCall();
    this.#ppp = this.#options.createPpp();
    this.#ppp.open(now);
  }

  #handleDown(reason: CloseReason, now: Instant): void {
    this.#reason ??= reason;
    clearTimeout(this.#goodbye);
    const { control } = this.#options;
    control.close(this.#reason, now);
    for (let m = control.pollTransmit(); m !== undefined; m = control.pollTransmit()) this.#write(m);
    for (let e = control.pollEvent(); e !== undefined; e = control.pollEvent()) {
      if (e.kind === 'closed') this.#finish(this.#reason, now);
    }
  }

  #write(message: Uint8Array): void {
    const { socket } = this.#options;
    if (socket.destroyed || socket.writableEnded) return;
    socket.write(message);
    if (socket.writableLength > MOST_UNREAD) socket.destroy();
  }

  #setAlarm(): void {
    this.#alarm.set(earlier(this.#slow, this.#data?.tunnel.pollTimeout()));
  }

  #finish(closed: CloseReason, now: Instant): void {
    if (this.#over) return;
    this.#over = true;
    const { socket, port, callId, onOver } = this.#options;
    clearTimeout(this.#goodbye);
    this.#alarm.cancel();
    const told = this.#lastWords(now);
    // Before its call id is another's.
    port.give(callId);
    this.#data?.close();
    endSocket(socket);
    const reason = this.#reason ?? told ?? closed;
    this.link?.end(reason);
    onOver(reason);
  }

  /** Why PPP was ending when the carrier went: pppd tells its reason there and hangs up, before our PPP has waited for its last answer. */
  #lastWords(now: Instant): CloseReason | undefined {
    this.#ppp?.carrierLost(now);
    for (let e = this.#ppp?.pollEvent(); e !== undefined; e = this.#ppp?.pollEvent()) {
      if (e.kind === 'down' && e.reason.cause !== 'lost') return e.reason;
    }
    return undefined;
  }
}

/** Ends our side after what was written; the peer has a moment to end its own. */
function endSocket(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MILLIS);
  socket.once('close', () => clearTimeout(timer));
}

function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : (Math.min(a, b) as Instant);
}
