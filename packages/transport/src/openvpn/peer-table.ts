/**
 * The gateway's peers by the three names that packets give them: peer id (data), session id on a path (control), and path alone.
 * Bounded by `limit`.
 */
import type { Path } from '@culvert/base';
import type { ListenShard } from './options.ts';
import type { ServerPeer } from './server-peer.ts';

export function pathKey(path: Path): string {
  return `${path.socket}|${path.remote.address}|${path.remote.port}|${path.local.address}`;
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
  readonly #bySession = new Map<string, ServerPeer>();
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
    const path = pathKey(peer.path);
    this.#byPeerId[peer.peerId] = peer;
    this.#entries.set(peer, { peer, sessionId, path });
    if (this.#shard !== undefined) Atomics.add(this.#shard.links, 0, 1);
    this.#bySession.set(`${sessionId}|${path}`, peer);
  }

  /** The peer is up: its path is its own from here on. Returns who had it before. */
  claimPath(peer: ServerPeer): ServerPeer | undefined {
    const path = pathKey(peer.path);
    const before = this.#byPath.get(path);
    this.#byPath.set(path, peer);
    return before === peer ? undefined : before;
  }

  moved(peer: ServerPeer): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined) return;
    this.#forgetPath(entry);
    entry.path = pathKey(peer.path);
    this.#bySession.set(`${entry.sessionId}|${entry.path}`, peer);
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
    return this.#bySession.get(`${sessionId}|${pathKey(path)}`);
  }

  byPath(path: Path): ServerPeer | undefined {
    return this.#byPath.get(pathKey(path));
  }

  get #sharedCount(): number {
    return this.#shard === undefined ? 0 : Atomics.load(this.#shard.links, 0);
  }

  #forgetPath(entry: Entry): void {
    this.#bySession.delete(`${entry.sessionId}|${entry.path}`);
    if (this.#byPath.get(entry.path) === entry.peer) this.#byPath.delete(entry.path);
  }
}
