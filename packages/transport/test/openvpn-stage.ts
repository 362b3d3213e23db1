/** An OpenVPN listener on loopback whose TLS is a fake, links to it, and what was told. */
import assert from 'node:assert/strict';
import type { Millis } from '@culvert/base';
import { Join } from '@culvert/cipher';
import type { Link, Listener, TransportEvent } from '@culvert/core';
import { createFakeTlsContext, eventually, RecordingLogger, ScriptedAdmission, seededRandom } from '@culvert/testkit';
import type { OpenvpnDialOptions, OpenvpnListenOptions } from '../src/openvpn/options.ts';
import { createOpenvpnTransport } from '../src/openvpn/transport.ts';

const wrap = { kind: 'tls-crypt', key: new Uint8Array(256).map((_, i) => (i * 7) & 0xff) } as const;
const done = { cause: 'operator', detail: 'done' } as const;

export interface Setup {
  readonly protocol?: 'udp' | 'tcp';
  readonly listen?: Partial<OpenvpnListenOptions>;
  readonly dial?: Partial<OpenvpnDialOptions>;
  /** @default 10_000 */
  readonly pingEvery?: Millis;
  /** Of the listener, beside what `events` keeps. */
  readonly onEvent?: (event: TransportEvent) => void;
  readonly onLink?: (link: Link) => void;
}

export class Stage implements AsyncDisposable {
  readonly log = new RecordingLogger();
  readonly events: TransportEvent[] = [];
  readonly transport = createOpenvpnTransport();
  readonly accepted: Link[] = [];
  readonly admission: ScriptedAdmission;
  readonly #setup: Setup;
  readonly #dialled: Link[] = [];
  #listener: Listener | undefined;

  constructor(setup: Setup = {}) {
    this.#setup = setup;
    this.admission = new ScriptedAdmission({ keepalive: { interval: setup.pingEvery ?? 10_000, timeout: 60_000 } });
  }

  get listener(): Listener {
    assert.ok(this.#listener);
    return this.#listener;
  }

  async listen(): Promise<this> {
    const { protocol = 'udp', listen } = this.#setup;
    const endpoint = { address: '127.0.0.1', port: 0, protocol };
    this.#listener = await this.transport.listen(
      { listen: [endpoint], tls: tls('server'), wrap, join: Join.all, renegotiateAfter: 0, ...listen },
      {
        ...this.#on,
        admission: this.admission,
        onEvent: (event) => {
          this.events.push(event);
          this.#setup.onEvent?.(event);
        },
        onLink: (link) => this.#accept(link),
      },
    );
    return this;
  }

  /** A link to the listener, or to what stands before it: our end and theirs. */
  async connect(through = this.listener.endpoints[0]): Promise<[Link, Link]> {
    const before = this.accepted.length;
    const link = await this.dial(through);
    await eventually('the gateway has the link', () => this.accepted.length > before);
    return [link, this.accepted[before] as Link];
  }

  /** Our end alone. */
  async dial(through = this.listener.endpoints[0]): Promise<Link> {
    const { protocol = 'udp', dial } = this.#setup;
    assert.ok(through);
    const link = await this.transport.dial(
      { remote: through, protocol, tls: tls('client'), wrap, join: Join.all, renegotiateAfter: 0, ...dial },
      this.#on,
    );
    this.#dialled.push(link);
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#dialled.map((link) => link.close(done)));
    await this.#listener?.close(done);
  }

  #accept(link: Link): void {
    this.#setup.onLink?.(link);
    this.accepted.push(link);
  }

  get #on() {
    const onEvent = (event: TransportEvent) => void this.events.push(event);
    return { onEvent, log: this.log, signal: new AbortController().signal };
  }
}

function tls(role: 'client' | 'server') {
  return createFakeTlsContext({ role, random: seededRandom(role === 'client' ? 1 : 2), name: role });
}
