/** Brings a session to a state: the scripted peer says what an honest one would, up to there and no further. */
import type { State } from './cells.ts';
import type { Exchange } from './peer/exchange.ts';
import type { ScriptedPeer } from './peer/peer.ts';
import type { Subject } from './subject.ts';

/** Exchanges of datagrams until a state must be there; more means that something went wrong on the way. */
const ROUNDS = 24;

/** False: the session did not get there. */
export async function pilot(subject: Subject, peer: ScriptedPeer, to: State): Promise<boolean> {
  const line = new Line(subject, peer);
  return peer.role === 'client' ? await line.againstServer(to) : await line.againstClient(to);
}

/** Hand over, hear the answers, acknowledge them. */
export async function converse(subject: Subject, peer: ScriptedPeer, datagrams: readonly Uint8Array[]): Promise<void> {
  for (let next = datagrams; next.length > 0; next = peer.acknowledge())
    for (const answer of await subject.deliver(next)) peer.handle(answer);
}

class Line {
  readonly #subject: Subject;
  readonly #peer: ScriptedPeer;

  constructor(subject: Subject, peer: ScriptedPeer) {
    this.#subject = subject;
    this.#peer = peer;
  }

  async againstServer(to: State): Promise<boolean> {
    const peer = this.#peer;
    if (to === 'stranger') return true;
    for (const answer of await this.#subject.deliver([peer.reset()])) peer.handle(answer);
    if (peer.remoteId === undefined) return false;
    await this.#say(peer.proveAddress());
    if (to === 'cookie') return true;
    peer.exchange.tls.start();
    await this.#say(peer.flight(peer.exchange));
    if (to === 'handshake') return true;
    if (!(await this.#finishTls(peer.exchange))) return false;
    if (to === 'secure') return true;
    await this.#say(peer.record(peer.exchange, peer.keyMethod()));
    if (to === 'claimed') return true;
    this.#subject.admit();
    await this.#listen(() => peer.exchange.records.length > 0);
    if (to === 'admitted') return peer.exchange.records.length > 0;
    await this.#say(peer.record(peer.exchange, Buffer.from('PUSH_REQUEST\0')));
    await this.#listen(() => peer.exchange.records.length > 1);
    if (!peer.takePush()) return false;
    peer.bringUp();
    return await this.#onwards(to);
  }

  async againstClient(to: State): Promise<boolean> {
    const peer = this.#peer;
    // Our reset acknowledges the client's: nothing else may come first.
    for (const question of await this.#subject.deliver([])) peer.handle(question);
    if (to === 'stranger') return peer.remoteId !== undefined;
    await this.#say([peer.reset()]);
    if (to === 'handshake') return true;
    if (!(await this.#finishTls(peer.exchange))) return false;
    await this.#listen(() => peer.exchange.records.length > 0);
    if (to === 'secure') return peer.exchange.records.length > 0;
    await this.#say(peer.record(peer.exchange, peer.keyMethod()));
    if (to === 'claimed') return true;
    await this.#say(peer.record(peer.exchange, Buffer.from(`${peer.pushReply()}\0`)));
    peer.bringUp();
    return await this.#onwards(to);
  }

  async #onwards(to: State): Promise<boolean> {
    const peer = this.#peer;
    // What the session still says about coming up is heard and acknowledged first.
    await this.#say([peer.data(new Uint8Array(0))]);
    if (to === 'rekeying') return await this.#rekey();
    if (to === 'closing' || to === 'closed') {
      this.#subject.close();
      for (const answer of await this.#subject.deliver([peer.data(new Uint8Array(0))])) peer.handle(answer);
      if (to === 'closed') await this.#say(peer.acknowledge());
      return to === 'closing' || !this.#subject.alive;
    }
    return this.#subject.alive;
  }

  /** As far as TLS goes: key method 2 is left to be said. */
  async #rekey(): Promise<boolean> {
    const peer = this.#peer;
    await this.#say([peer.softReset()]);
    if (peer.next === undefined) return false;
    if (peer.role === 'client') peer.next.tls.start();
    return await this.#finishTls(peer.next);
  }

  async #finishTls(exchange: Exchange): Promise<boolean> {
    for (let round = 0; round < ROUNDS; round++) {
      const flight = this.#peer.flight(exchange);
      if (flight.length === 0 && exchange.secure) return true;
      if (flight.length === 0 && round > 0) await this.#hear();
      await this.#say(flight);
      if (exchange.failed) return false;
    }
    return exchange.secure;
  }

  async #listen(until: () => boolean): Promise<void> {
    for (let round = 0; round < ROUNDS && !until(); round++) await this.#hear();
  }

  async #hear(): Promise<void> {
    for (const answer of await this.#subject.deliver([])) this.#peer.handle(answer);
    await this.#say(this.#peer.acknowledge());
  }

  async #say(datagrams: readonly Uint8Array[]): Promise<void> {
    await converse(this.#subject, this.#peer, datagrams);
  }
}
