/** A client and a server, joined by a wire in virtual time. */
import type { CloseReason } from '@culvert/base';
import { LossyLink, seededRandom, VirtualClock, type WireOptions } from '@culvert/testkit';
import type { ClientWrap, ServerWrap, SessionEvent } from '../src/index.ts';
import { type ClientEnd, type ClientSetup, createClient, matchingWraps, ServerEnd, type ServerSetup } from './ends.ts';

export interface Setup extends WireOptions {
  /** @default matching tls-crypt-v2 keys */
  readonly wraps?: { readonly server: ServerWrap; readonly client: ClientWrap };
  readonly client?: Partial<ClientSetup>;
  readonly server?: Partial<ServerSetup>;
  onTransmit?(from: 0 | 1, datagram: Uint8Array): void;
}

export interface Joined {
  readonly link: LossyLink<SessionEvent>;
  readonly client: ClientEnd;
  readonly server: ServerEnd;
  bothUp(): boolean;
  closed(side: 0 | 1): CloseReason | undefined;
  count(side: 0 | 1, kind: SessionEvent['kind']): number;
  /** Both are up; fails the test otherwise. */
  connect(within?: number): Joined;
}

export function join({ wraps = matchingWraps('tls-crypt-v2'), client, server, ...wire }: Setup = {}): Joined {
  const clock = new VirtualClock();
  const random = seededRandom(wire.seed ?? 1);
  const serverEnd = new ServerEnd({ clock, random, wrap: wraps.server, ...server });
  const clientEnd = createClient({ clock, random, wrap: wraps.client, ...client });
  const link = new LossyLink<SessionEvent>(clientEnd, serverEnd, { clock, ...wire });
  const count = (side: 0 | 1, kind: SessionEvent['kind']) =>
    link.events[side].filter((event) => event.kind === kind).length;
  const bothUp = () => count(0, 'up') > 0 && count(1, 'up') > 0;
  const closed = (side: 0 | 1) => link.events[side].find((event) => event.kind === 'closed')?.reason;
  const joined: Joined = {
    link,
    client: clientEnd,
    server: serverEnd,
    bothUp,
    closed,
    count,
    connect(within = 60_000) {
      if (!link.until(bothUp, within))
        throw new Error(`no connection: ${closed(0)?.detail ?? ''} ${closed(1)?.detail ?? ''}`);
      return joined;
    },
  };
  return joined;
}
