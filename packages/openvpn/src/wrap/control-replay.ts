/**
 * Replay protection of wrapped control packets: the long form of a packet id, a counter and a time in seconds (openvpn packet_id.c).
 *
 * A sender keeps its time and counts; a later time starts a new count, an earlier one is a replay.
 */
import { ReplayWindow } from '@culvert/cipher';

/** openvpn's default (`replay-window 64`). */
const WINDOW = 64;

export class ControlReplay {
  readonly #window = new ReplayWindow(WINDOW);
  #time = -1;

  accept(id: number, time: number): boolean {
    if (time < this.#time || id === 0) return false;
    if (time > this.#time) {
      this.#window.reset();
      this.#time = time;
    }
    return this.#window.accept(id);
  }
}
