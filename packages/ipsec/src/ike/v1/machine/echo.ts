/** What was sent to one endpoint alone and comes back: its sender hears there, whatever source address its messages have. */
import type { Path } from '@culvert/base';
import { sameRemote } from './same.ts';

export class Echo {
  #path: Path | undefined;
  #strayed = false;

  /** The secret left, for the first time or again. */
  sent(path: Path): void {
    if (this.#path !== undefined && !sameRemote(this.#path, path)) this.#strayed = true;
    this.#path ??= path;
  }

  /** It came back from a peer that says it is at `path`. */
  proves(path: Path): boolean {
    return !this.#strayed && this.#path !== undefined && sameRemote(this.#path, path);
  }
}
