/** One client of the gateway: from its L2TP session through admission to the link and its end. */
import type { CloseReason } from '@culvert/base';
import type { Admission, Link, TransportEvent } from '@culvert/core';
import type { PeerFacts, Session } from '@culvert/l2tp';
import type { AuthOffer } from '@culvert/ppp';
import { systemClock } from '../clock.ts';
import { PppServer } from '../ppp/server.ts';
import { Call } from './call.ts';
import type { Carrier } from './carrier.ts';
import type { Scratch } from './data-path.ts';
import type { L2tpIpsecListenOptions } from './options.ts';
import { bringUp } from './terms.ts';

export interface ServerCallOptions {
  /** Names the try and later the link, in events and logs. */
  readonly id: number;
  readonly session: Session;
  readonly carrier: Carrier;
  /** What the peer said of itself. */
  readonly facts: PeerFacts;
  readonly settings: L2tpIpsecListenOptions;
  readonly auth: readonly AuthOffer[];
  readonly scratch: Scratch;
  readonly admission: Admission;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
  hangUp(reason: CloseReason): void;
  /** A mistake of our own, which ends the call. */
  onFault(error: unknown): void;
  /** Once, when nothing of the call is left. */
  onOver(call: ServerCall): void;
}

export class ServerCall {
  readonly id: number;
  readonly done: Promise<void>;
  readonly call: Call;

  constructor(options: ServerCallOptions) {
    const { id, carrier, facts, onOver } = options;
    this.id = id;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    const server = new PppServer({
      ...options,
      transport: 'l2tp-ipsec',
      path: () => carrier.peer.path,
      remote: carrier.peer.path.remote,
      peerInfo: peerInfo(facts, carrier),
      tell: (what) => this.call.tell(what),
      createLink: (terms, link) => bringUp(this.call, carrier, terms, link),
    });
    this.call = new Call({
      ...options,
      clock: systemClock,
      ppp: server.createSession(),
      onPpp: (event) => server.handle(event),
      onOver: (reason) => {
        server.end(reason);
        onOver(this);
        resolve();
      },
    });
  }

  close(why: CloseReason): void {
    this.call.close(why);
  }
}

function peerInfo({ hostName, vendorName }: PeerFacts, { peer }: Carrier): ReadonlyMap<string, string> {
  const said = { hostName, vendor: vendorName, identity: peer.facts.identity };
  return new Map(Object.entries(said).filter(([, value]) => value !== ''));
}
