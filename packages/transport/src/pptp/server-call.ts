/** One call to the gateway: from its beginning through admission to the link and its end. */
import type { Admission, Link, TransportEvent } from '@culvert/core';
import type { AuthOffer } from '@culvert/ppp';
import { PppServer } from '../ppp/server.ts';
import { Call, type CallOptions } from './call.ts';
import type { PptpListenOptions } from './options.ts';
import { bringUp, mppeWish } from './terms.ts';

export interface ServerCallOptions
  extends Pick<CallOptions, 'event' | 'controlStats' | 'onFault' | 'path' | 'port' | 'clock' | 'inner' | 'onDown'> {
  /** Names the try and later the link, in events and logs. */
  readonly id: number;
  readonly settings: PptpListenOptions;
  readonly auth: readonly AuthOffer[];
  readonly admission: Admission;
  /** What the peer says of itself. */
  readonly peerInfo: ReadonlyMap<string, string>;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
  /** Once, when nothing of the call is left. */
  onOver(): void;
}

export class ServerCall {
  readonly call: Call;

  constructor(options: ServerCallOptions) {
    const { id, path, settings, onEvent, onOver } = options;
    const server = new PppServer({
      ...options,
      transport: 'pptp',
      path: () => path,
      remote: path.remote,
      mppe: mppeWish(settings),
      tell: (what) => this.call.tell(what),
      createLink: (terms, link) => bringUp(this.call, terms, { ...link, path }),
    });
    onEvent({ kind: 'attempt', id, path });
    this.call = new Call({
      ...options,
      ppp: server.createSession(),
      onPpp: (event) => server.handle(event),
      onOver: (reason) => {
        server.end(reason);
        onOver();
      },
    });
  }
}
