/**
 * IKEv1 of one listener or client: every phase 1 SA, by cookies, and the children that they made.
 *
 * A sans-IO machine (packages/base, machine.ts), and beside it work: key exchanges and signatures come out of `pollWork` and their results
 * go in by `handleWorkDone`, so that a thread may do them. Datagrams of port 4500 come and go with their marker (RFC 3948, section 2.2); the
 * driver keeps those that are ESP.
 */
import type { Instant, Machine, Path, Transmit } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { COOKIE_BYTES, decodeMessage, Exchange, Flag, type Message } from '../message.ts';
import { deletion } from '../notification.ts';
import { ProtocolId } from '../security-association.ts';
import { Acceptor } from './acceptor.ts';
import { type Child, isSpent, wantsKeys } from './children.ts';
import { Context } from './context.ts';
import {
  type ChildId,
  type ChildRequest,
  type ConnectOptions,
  type IkeEvent,
  type IkeOptions,
  type IkeSaId,
  type IkeWork,
  type IkeWorkResult,
  later,
} from './face.ts';
import { IkeSa } from './ike-sa.ts';
import { Informational } from './informational.ts';
import { u32 } from './keys.ts';
import { MainModeInitiator } from './main-mode-initiator.ts';
import { MainModeResponder } from './main-mode-responder.ts';
import { keyOf, noCookie, SaTable } from './sa-table.ts';
import { samePath } from './same.ts';
import { Succession } from './succession.ts';

/** Before a refused rekeying is tried again. */
const RETRY = 10_000;
/** Longer than any message of IKE in one datagram. */
const LONGEST = 65_535;

export class IkeEndpoint implements Machine<IkeEvent> {
  readonly #context: Context;
  readonly #acceptor: Acceptor;
  readonly #succession: Succession;
  readonly #informational: Informational;
  readonly #sas: SaTable;
  /** What we opened, to open it again when its life is over. */
  readonly #connects = new Map<IkeSaId, ConnectOptions>();

  constructor(options: IkeOptions) {
    this.#context = new Context(options);
    this.#acceptor = new Acceptor(this.#context);
    this.#sas = new SaTable(this.#context.limits);
    this.#succession = new Succession(this.#context, this.#sas, (sa, from, now) => this.#takeOver(sa, from, now));
    this.#informational = new Informational(this.#context, this.#succession);
  }

  get stats(): Readonly<
    Record<
      'malformed' | 'unknown' | 'duplicates' | 'retransmits' | 'unauthenticated' | 'refused' | 'tooMany' | 'keepalives',
      number
    >
  > {
    return this.#context.stats;
  }

  /** How many of each there are. */
  get sizes(): Readonly<Record<'firstMessages' | 'negotiations' | 'ikeSas' | 'children' | 'dialled' | 'work', number>> {
    const { children, halfOpen, workUnderWay } = this.#context;
    return {
      firstMessages: this.#acceptor.first.size,
      /** Begun by peers, not authenticated yet. */
      negotiations: halfOpen.size,
      /** Also under way. */
      ikeSas: this.#sas.size,
      children: children.size,
      /** What we opened, and shall open again. */
      dialled: this.#connects.size,
      work: workUnderWay,
    };
  }

  // In.

  /** Dial. The number of the phase 1, which its events carry. */
  connect(connect: ConnectOptions, now: Instant): IkeSaId {
    return this.#open(connect, true, now).id;
  }

  /** One more child of a phase 1 that stands. Unknown numbers are passed over, here and below: the SA may just have ended. */
  createChild(ikeSa: IkeSaId, request: ChildRequest, now: Instant): void {
    const sa = this.#sas.get(ikeSa);
    if (sa?.established) sa.quickModes.start(request, undefined, now);
    this.#context.schedule(sa);
  }

  handleDatagram(datagram: Uint8Array, path: Path, now: Instant): void {
    const bytes = this.#unmark(datagram, path);
    if (bytes === undefined) return;
    try {
      this.#handle(bytes, path, now);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#context.stats.malformed++;
    }
  }

  handleWorkDone(id: number, result: IkeWorkResult, now: Instant): void {
    try {
      this.#context.workDone(id, result, now);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#context.stats.malformed++;
    }
    this.#sweep();
  }

  /**
   * ESP that came in by a child: its peer lives, and has the keys. Not needed for each packet.
   *
   * @param path where the newest packet came from, when that is news: the peer is there now (RFC 3947, section 6)
   */
  handleTraffic(child: ChildId, bytes: number, now: Instant, path?: Path): void {
    const { children } = this.#context;
    const found = children.get(child);
    if (found === undefined) return;
    const sa = this.#sas.get(found.ikeSa);
    found.heardAt = now;
    if (path === undefined) sa?.alive(now);
    else {
      found.hears &&= samePath(found.path, path);
      found.path = path;
      sa?.heard(path, now);
      this.#context.schedule(sa);
    }
    children.ready(found);
    found.received += bytes;
    this.#wear(found, now);
  }

  /** Bytes that went out by a child. */
  handleSent(child: ChildId, bytes: number, now: Instant): void {
    const found = this.#context.children.get(child);
    if (found === undefined) return;
    found.sent += bytes;
    this.#wear(found, now);
  }

  /** Its sequence numbers run out: new keys, where these are ours to make. */
  renewChild(child: ChildId, now: Instant): void {
    const found = this.#context.children.get(child);
    if (found === undefined) return;
    this.#context.children.wear(found);
    if (wantsKeys(found, now)) this.#rekey(found, now);
  }

  closeChild(child: ChildId): void {
    const found = this.#context.children.get(child);
    if (found !== undefined) this.#retire(found);
  }

  /** Deletes the children, then the phase 1, and says so to the peer. */
  close(ikeSa: IkeSaId): void {
    const sa = this.#sas.get(ikeSa);
    if (sa === undefined) return;
    for (const child of this.#context.children.of(ikeSa)) this.#retire(child);
    this.#connects.delete(ikeSa);
    if (sa.established) sa.inform(deletion(ProtocolId.isakmp, sa.cookies));
    sa.close('closed', 'operator', 'closed by us');
    this.#sweep();
  }

  handleTimeout(now: Instant): void {
    this.#acceptor.first.expire(now);
    const due = this.#context.deadlines.take(now);
    for (const sa of due) {
      if ((sa.deadline() ?? now) > now) continue;
      sa.handleTimeout(now);
      if (!sa.closed && sa.life.softAt !== undefined && now >= sa.life.softAt) this.#renew(sa, now);
    }
    this.#context.children.handleTimeout(
      now,
      (child) => this.#rekey(child, now),
      (child, by) => this.#retire(child, by),
    );
    this.#sweep();
    for (const id of this.#connects.keys())
      if (!this.#sas.get(id) && !this.#hasChildToRenew(id)) this.#connects.delete(id);
    for (const sa of due) this.#context.schedule(sa);
  }

  // Out.

  pollTransmit(): Transmit | undefined {
    return this.#context.transmits.shift();
  }

  pollEvent(): IkeEvent | undefined {
    return this.#context.events.shift();
  }

  pollWork(): IkeWork | undefined {
    return this.#context.work.shift();
  }

  pollTimeout(): Instant | undefined {
    const { deadlines, children } = this.#context;
    const all = [deadlines.next, children.nextDeadline, this.#acceptor.first.nextExpiry()];
    const next = Math.min(...all.map((at) => at ?? Number.POSITIVE_INFINITY));
    return next === Number.POSITIVE_INFINITY ? undefined : (next as Instant);
  }

  // Details.

  /** A copy, which is no Buffer: what is sliced out of that would still lie in the driver's memory. */
  #unmark(datagram: Uint8Array, path: Path): Uint8Array | undefined {
    if (datagram.length > LONGEST) return undefined;
    if (path.local.port !== this.#context.ports.natTraversal) return new Uint8Array(datagram);
    if (datagram.length === 1 && datagram[0] === 0xff) {
      this.#context.stats.keepalives++;
      return undefined;
    }
    return datagram.subarray(0, 4).every((byte) => byte === 0) ? new Uint8Array(datagram.subarray(4)) : undefined;
  }

  #handle(datagram: Uint8Array, path: Path, now: Instant): void {
    const message = decodeMessage(datagram);
    const sa = this.#find(message, path, now);
    if (sa === undefined) {
      if (message.responderCookie.every((byte) => byte === 0)) this.#acceptor.handleFirst(message, path, now);
      else this.#context.stats.unknown++;
      return;
    }
    try {
      sa.handleMessage(message, datagram, path, now);
      this.#adopt(sa);
    } finally {
      sa.wear(now);
      this.#context.schedule(sa);
      this.#sweep();
    }
  }

  /** The SA of these cookies: one that stands, ours that waits for the peer's cookie, or a first message whose sender comes back. */
  #find(message: Message, path: Path, now: Instant): IkeSa | undefined {
    const { initiatorCookie, responderCookie } = message;
    const sa = this.#sas.find(initiatorCookie, responderCookie);
    if (sa !== undefined) return sa;
    const opening = this.#sas.find(initiatorCookie, noCookie);
    if (opening?.role === 'initiator' && opening.path.remote.address === path.remote.address) {
      // It is taken with the message; a notification brings one too, and proves nothing.
      if (message.exchange === Exchange.main) opening.offeredCookie = responderCookie;
      return opening;
    }
    const key = keyOf(initiatorCookie, responderCookie);
    const first = this.#acceptor.first.get(key);
    if (first === undefined || first.source !== path.remote.address || (message.flags & Flag.encrypted) !== 0)
      return undefined;
    if (!this.#hasRoom(first.source, now) || !this.#acceptor.admits(first, now)) {
      this.#context.stats.tooMany++;
      return undefined;
    }
    this.#acceptor.first.delete(key);
    const id = this.#context.newId();
    const made = new IkeSa(this.#context, { id, role: 'responder', initiatorCookie, responderCookie, path, now });
    this.#context.halfOpen.enter(made, now);
    made.vendor = first.offer.vendor;
    made.nat = first.offer.vendor.nat?.flavour;
    made.mainMode = new MainModeResponder(made, first.offer);
    made.life.agreed = first.offer.choice.lifetimes;
    this.#keep(made);
    return made;
  }

  /** Where a source has too many, the oldest that came to nothing makes room: some peers never delete what they cannot use. */
  #hasRoom(source: string, now: Instant): boolean {
    const { children, limits } = this.#context;
    const isIdle = (sa: IkeSa) =>
      sa.established && children.of(sa.id).length === 0 && sa.life.begunAt + limits.negotiation <= now;
    if (!this.#sas.hasRoom(source)) {
      const idle = [...this.#sas.ofSource(source)].find(isIdle);
      if (idle !== undefined) this.close(idle.id);
    }
    return this.#sas.hasRoom(source);
  }

  /** The initiator took the responder's cookie. */
  #adopt(sa: IkeSa): void {
    if (sa.offeredCookie === undefined) return;
    if (sa.responderCookie === sa.offeredCookie && !sa.closed) this.#sas.adopt(sa);
    sa.offeredCookie = undefined;
  }

  #open(connect: ConnectOptions, firstContact: boolean, now: Instant): IkeSa {
    const { random } = this.#context.options;
    const id = this.#context.newId();
    const start = {
      id,
      role: 'initiator',
      initiatorCookie: random.bytes(COOKIE_BYTES),
      responderCookie: noCookie,
    } as const;
    const sa = new IkeSa(this.#context, { ...start, path: connect.path, now });
    this.#keep(sa);
    this.#connects.set(id, connect);
    sa.mainMode = new MainModeInitiator(sa, connect, firstContact, now);
    this.#context.schedule(sa);
    return sa;
  }

  #keep(sa: IkeSa): void {
    this.#sas.add(sa);
    this.#succession.attach(sa);
    this.#informational.attach(sa);
    sa.onEstablished = (keys, certificates, now) => {
      sa.beginLife(now);
      const method = keys.suite.authentication === 'pre-shared-key' ? 'pre-shared-key' : 'certificate';
      this.#announce(sa, { authentication: method, suite: keys.suite, certificates }, now);
      this.#context.schedule(sa);
    };
  }

  #announce(sa: IkeSa, proof: Pick<Established, 'authentication' | 'suite' | 'certificates'>, now: Instant): void {
    const { id, role, path, identity, localBehindNat, remoteBehindNat } = sa;
    if (identity === undefined) return;
    const about = { ikeSa: id, role, path, identity, ...proof, localBehindNat, remoteBehindNat };
    this.#context.emit({ kind: 'established', ...about });
    this.#succession.handleEstablished(sa, now);
    const connect = this.#connects.get(id);
    if (role !== 'initiator' || connect === undefined) return;
    if (sa.renews === undefined) sa.quickModes.start(connect.child, undefined, now);
    else this.#retireIkeSa(sa.renews, now);
  }

  #renew(sa: IkeSa, now: Instant): void {
    sa.life.renewing(now);
    const connect = this.#connects.get(sa.id);
    if (connect === undefined) return;
    this.#openAgain(sa.id, connect, sa.encapsulates, now);
  }

  #openAgain(renews: IkeSaId, connect: ConnectOptions, encapsulates: boolean, now: Instant): void {
    const renewed = this.#open({ ...connect, path: encapsulates ? connect.natPath : connect.path }, false, now);
    renewed.renews = renews;
  }

  /** What takes the place of one that we opened is renewed as that would have been, whoever opened it. */
  #takeOver(sa: IkeSa, from: readonly IkeSaId[], now: Instant): void {
    for (const id of from) {
      const connect = this.#connects.get(id);
      if (connect === undefined) continue;
      this.#connects.delete(id);
      for (const other of this.#sas.values()) if (other !== sa && other.renews === id) other.renews = sa.id;
      if (this.#connects.has(sa.id)) continue;
      this.#connects.set(sa.id, connect);
      sa.life.takeOver(this.#context.draw(), now);
      this.#context.schedule(sa);
    }
  }

  #retireIkeSa(id: IkeSaId, now: Instant): void {
    const old = this.#sas.get(id);
    if (old === undefined) return;
    this.#connects.delete(id);
    old.life.cede(now);
    this.#context.schedule(old);
  }

  #wear(child: Child, now: Instant): void {
    if (isSpent(child)) this.#retire(child, 'expiry');
    else if (wantsKeys(child, now)) this.#rekey(child, now);
  }

  #rekey(child: Child, now: Instant): void {
    const sa = this.#sas.get(child.ikeSa);
    if (child.request === undefined) return;
    child.notBefore = later(now, RETRY);
    if (sa === undefined) {
      this.#openFor(child, now);
      return;
    }
    if (!sa.established) return;
    child.rekeying = true;
    sa.quickModes.start(child.request, child.id, now);
    this.#context.schedule(sa);
  }

  /** Its peer deleted phase 1 and nothing else: new keys need another one. */
  #openFor({ ikeSa, sa }: Child, now: Instant): void {
    const connect = this.#connects.get(ikeSa);
    const isUnderWay = [...this.#sas.values()].some(({ renews }) => renews === ikeSa);
    if (connect !== undefined && !isUnderWay) this.#openAgain(ikeSa, connect, sa.udpEncapsulated, now);
  }

  #retire(child: Child, by: 'us' | 'expiry' = 'us'): void {
    const sa = this.#sas.get(child.ikeSa);
    if (sa?.established && !sa.closed) sa.inform(deletion(ProtocolId.esp, u32(child.sa.inbound.spi)));
    this.#context.children.delete(child, by);
  }

  #sweep(): void {
    for (let sa = this.#context.ended.pop(); sa !== undefined; sa = this.#context.ended.pop()) {
      this.#sas.delete(sa);
      this.#context.deadlines.delete(sa);
      if (!this.#hasChildToRenew(sa.id)) this.#connects.delete(sa.id);
    }
  }

  #hasChildToRenew(ikeSa: IkeSaId): boolean {
    return this.#context.children.of(ikeSa).some(({ request }) => request !== undefined);
  }
}

type Established = Extract<IkeEvent, { kind: 'established' }>;
