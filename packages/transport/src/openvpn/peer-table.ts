/**
 * The gateway's peers by the three names that packets give them: peer id (data), session id on a path (control), and path alone.
 * Bounded by `limit`.
 */
import type { Path } from '@culvert/base';
import { pathKey, UdpPath } from '../udp-port.ts';
import type { ListenShard } from './options.ts';
import type { ServerPeer } from './server-peer.ts';

function keyOf(path: Path): string {
  return path instanceof UdpPath ? path.key : pathKey(path);
}

interface Entry {
  readonly peer: ServerPeer;
  readonly sessionId: bigint;
  path: string;
}

export class PeerTable {
  readonly #limit: number;
  readonly #shard: Omit<ListenShard, 'bound'> | undefined;
  readonly #byPeerId: (ServerPeer | undefined)[] = [];
  /** Freed peer ids, oldest first, so that one rests as long as possible before another client has it. */
  readonly #free: number[] = [];
  readonly #entries = new Map<ServerPeer, Entry>();
  /** By path: a client that starts again has two sessions there for a while. A source has no more of them than `HandshakeLimit` lets it begin. */
  readonly #sessionsOn = new Map<string, Entry[]>();
  readonly #byPath = new Map<string, ServerPeer>();
  /** Peer ids that were given out at least once. */
  #issued = 0;

  /** With `shard` the limit is for all of them together; handshakes that begin at one instant may pass it, by one a shard. */
  constructor(limit: number, shard?: Omit<ListenShard, 'bound'>) {
    this.#limit = limit;
    this.#shard = shard;
  }

  get size(): number {
    return this.#entries.size;
  }

  get full(): boolean {
    return this.#entries.size >= this.#limit || this.#sharedCount >= this.#limit;
  }

  peers(): ServerPeer[] {
    return [...this.#entries.keys()];
  }

  /** The peer id that the next peer shall have; `add` takes it. Of a shard's ids the remainder by the count of shards is its index. */
  takePeerId(): number {
    if (this.#issued >= this.#limit) return this.#free.shift() ?? 0;
    const { index, count } = this.#shard ?? { index: 0, count: 1 };
    return index + count * this.#issued++;
  }

  add(peer: ServerPeer, sessionId: bigint): void {
    const path = keyOf(peer.path);
    this.#byPeerId[peer.peerId] = peer;
    const entry: Entry = { peer, sessionId, path };
    this.#entries.set(peer, entry);
    if (this.#shard !== undefined) Atomics.add(this.#shard.links, 0, 1);
    this.#rememberSession(entry);
  }

  /** The peer is up: its path is its own from here on. Returns who had it before. */
  claimPath(peer: ServerPeer): ServerPeer | undefined {
    const path = keyOf(peer.path);
    const before = this.#byPath.get(path);
    this.#byPath.set(path, peer);
    return before === peer ? undefined : before;
  }

  moved(peer: ServerPeer): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined) return;
    this.#forgetPath(entry);
    entry.path = keyOf(peer.path);
    this.#rememberSession(entry);
    this.#byPath.set(entry.path, peer);
  }

  remove(peer: ServerPeer): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined) return;
    this.#entries.delete(peer);
    if (this.#shard !== undefined) Atomics.sub(this.#shard.links, 0, 1);
    this.#forgetPath(entry);
    this.#byPeerId[peer.peerId] = undefined;
    this.#free.push(peer.peerId);
  }

  byPeerId(peerId: number): ServerPeer | undefined {
    return this.#byPeerId[peerId];
  }

  bySession(sessionId: bigint, path: Path): ServerPeer | undefined {
    const entries = this.#sessionsOn.get(keyOf(path));
    if (entries === undefined) return undefined;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      if (entry?.sessionId === sessionId) return entry.peer;
    }
    return undefined;
  }

  byPath(path: Path): ServerPeer | undefined {
    return this.#byPath.get(keyOf(path));
  }

  get #sharedCount(): number {
    return this.#shard === undefined ? 0 : Atomics.load(this.#shard.links, 0);
  }

  #rememberSession(entry: Entry): void {
    const others = this.#sessionsOn.get(entry.path);
    if (others === undefined) this.#sessionsOn.set(entry.path, [entry]);
    else others.push(entry);
  }

  #forgetPath(entry: Entry): void {
    const left = this.#sessionsOn.get(entry.path)?.filter((other) => other !== entry) ?? [];
    if (left.length > 0) this.#sessionsOn.set(entry.path, left);
    else this.#sessionsOn.delete(entry.path);
    if (this.#byPath.get(entry.path) === entry.peer) this.#byPath.delete(entry.path);
  }
}
