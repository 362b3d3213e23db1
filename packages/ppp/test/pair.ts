/** A client and a server over a wire in virtual time. */
import type { CloseReason } from '@culvert/base';
import { LossyLink } from '@culvert/testkit';
import type { MppeWish } from '../src/ccp-policy.ts';
import type { PppClientOptions, PppEvent, PppServerOptions } from '../src/face.ts';
import { clientOptions, SessionEnd, serverOptions } from './ends.ts';

export const mppe128: MppeWish = { need: 'required', strengths: [128], stateful: false };

export class Pair {
  readonly client: SessionEnd;
  readonly server: SessionEnd;
  readonly link: LossyLink<PppEvent>;

  constructor(client: Partial<PppClientOptions> = {}, server: Partial<PppServerOptions> = {}, wire = {}) {
    this.client = new SessionEnd(clientOptions(client));
    this.server = new SessionEnd(serverOptions(server));
    this.link = new LossyLink<PppEvent>(this.client, this.server, wire);
  }

  open(): this {
    this.client.session.open(this.link.now);
    this.server.session.open(this.link.now);
    return this;
  }
  run(time = 20_000): this {
    this.link.advance(time);
    return this;
  }
  events<Kind extends PppEvent['kind']>(side: 0 | 1, kind: Kind) {
    return this.link.events[side].filter((event): event is Extract<PppEvent, { kind: Kind }> => event.kind === kind);
  }
  get clientTerms() {
    return [...this.events(0, 'up'), ...this.events(0, 'changed')].at(-1)?.terms;
  }
  get serverTerms() {
    return [...this.events(1, 'up'), ...this.events(1, 'changed')].at(-1)?.terms;
  }
  reasons(): (CloseReason | undefined)[] {
    return [0, 1].map((side) => this.events(side as 0 | 1, 'down').at(-1)?.reason);
  }
}
