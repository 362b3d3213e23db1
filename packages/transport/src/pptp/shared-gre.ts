import type { Logger } from '@culvert/base';
import { systemClock } from '../clock.ts';
import { FaultLog } from '../fault-log.ts';
import { GrePort } from './gre-port.ts';

/**
 * One raw socket for all that a transport dials, open while something holds it: each raw socket would get a copy of every packet, so
 * that a thousand calls with one each would read a million.
 */
export class SharedGre {
  #port: GrePort | undefined;
  #holders = 0;

  /** Only while it is held. */
  get port(): GrePort {
    if (this.#port === undefined) throw new Error('nobody holds the port');
    return this.#port;
  }

  /** Opens it where it is not. The function lets go; calling it again does nothing. Throws NetioError without CAP_NET_RAW. */
  hold(log: Logger): () => void {
    this.#port ??= new GrePort(undefined, new FaultLog(log, systemClock));
    this.#holders++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#holders > 0) return;
      this.#port?.close();
      this.#port = undefined;
    };
  }
}
