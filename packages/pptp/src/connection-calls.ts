/** The calls of one control connection, by either end's id of them. How many there may be is its owner's to say. */

export interface ConnectionCall {
  /** What the peer puts into its GRE packets. */
  readonly callId: number;
  /** What we put into ours. */
  readonly peerCallId: number;
}

export class ConnectionCalls {
  readonly #byCallId = new Map<number, ConnectionCall>();

  get size(): number {
    return this.#byCallId.size;
  }

  add(call: ConnectionCall): void {
    this.#byCallId.set(call.callId, call);
  }

  delete(callId: number): boolean {
    return this.#byCallId.delete(callId);
  }

  get(callId: number): ConnectionCall | undefined {
    return this.#byCallId.get(callId);
  }

  /** The call that the peer knows by this id of its own. */
  ofPeer(peerCallId: number): ConnectionCall | undefined {
    for (const call of this.#byCallId.values()) if (call.peerCallId === peerCallId) return call;
    return undefined;
  }

  /**
   * The call that the peer ends with Call-Clear-Request or Call-Disconnect-Notify, which carry the sender's own id (RFC 2637, sections 2.12
   * and 2.13). accel-ppp names the receiver's: where there is one call, that is meant.
   */
  ending(peerCallId: number): ConnectionCall | undefined {
    const call = this.ofPeer(peerCallId);
    if (call !== undefined || this.size !== 1) return call;
    const [only] = this.#byCallId.values();
    return only;
  }

  [Symbol.iterator](): IterableIterator<ConnectionCall> {
    return this.#byCallId.values();
  }
}
