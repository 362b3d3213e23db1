/** The last message of main mode that was taken, and its answer: whoever repeats the one gets the other again, a few times. */

/** Answers that a peer without a proven key gets again. */
const MOST_RESENDS = 5;

export class LastMessage {
  #digest: string | undefined;
  #reply: Uint8Array | undefined;
  #resends = 0;

  /** By the digest of the datagram. */
  isRepeated(digest: string): boolean {
    return digest === this.#digest;
  }

  /** A new one was taken; it has no answer yet. */
  take(digest: string): void {
    this.#digest = digest;
    this.#reply = undefined;
  }

  answer(reply: Uint8Array): void {
    this.#reply = reply;
    this.#resends = 0;
  }

  /** The answer to send again; undefined when there is none, or it went out often enough. */
  again(): Uint8Array | undefined {
    if (this.#reply === undefined || this.#resends >= MOST_RESENDS) return undefined;
    this.#resends++;
    return this.#reply;
  }
}
