/** A PPTP listener in this process' own network namespace, who knows alice's password, and clients of it. */
import type { Logger } from '@culvert/base';
import type { Admission, Claim, Link, Listener, Refused, TransportEvent } from '@culvert/core';
import { ntPasswordHash, verifyMsChapV2 } from '@culvert/ppp';
import { nullLogger, packetsOf, ScriptedAdmission } from '@culvert/testkit';
import type { PptpDialOptions, PptpListenOptions } from '../src/pptp/options.ts';
import { createPptpTransport } from '../src/pptp/transport.ts';

export const gateway = '10.77.0.1';
export const laptop = '10.77.0.2';
export const stranger = '10.77.0.3';
export const password = 'secret';

/** The suites' admission knows no passwords: to what it admits this adds what a holder of alice's computes. */
export function withKeys(admission: Admission): Admission {
  const add = async <T extends { kind: string }>(claim: Claim, answer: Promise<T>): Promise<T> => {
    const settled = await answer;
    return settled.kind === 'admitted' ? { ...settled, material: materialOf(claim) } : settled;
  };
  return {
    admit: (claim, signal) => add(claim, admission.admit(claim, signal)),
    reauthenticate: (link, claim, signal) => add(claim, admission.reauthenticate(link, claim, signal)),
  };
}

function materialOf({ response }: Claim) {
  return response?.kind === 'mschapv2' ? verifyMsChapV2(response, ntPasswordHash(password)) : undefined;
}

/** A link with what it gave. */
export interface Heard {
  readonly link: Link;
  readonly packets: Uint8Array[];
}

export class PptpLab {
  readonly events: TransportEvent[] = [];
  readonly accepted: Heard[] = [];
  readonly #transport = createPptpTransport();
  readonly #stop = new AbortController();
  #listener: Listener | undefined;

  /** `onEvent` is told before the lab is. `account`: what is wrong with alice's. */
  static async open(
    options: Partial<PptpListenOptions> = {},
    {
      log = nullLogger,
      onEvent,
      account,
    }: { log?: Logger; onEvent?(event: TransportEvent): void; account?: Refused['account'] } = {},
  ): Promise<PptpLab> {
    const lab = new PptpLab();
    const admission = new ScriptedAdmission();
    const welcome = admission.answer;
    admission.answer = async (index, claim) => {
      const proven = materialOf(claim) !== undefined;
      if (proven && account === undefined) return welcome(index, claim);
      const refused = { kind: 'refused', reason: 'wrong password', tell: 'authentication failed' } as const;
      return { ...refused, account: proven ? account : undefined };
    };
    lab.#listener = await lab.#transport.listen(
      { listen: [{ address: gateway, port: 0 }], ...options },
      {
        admission: withKeys(admission),
        onLink: (link) => void lab.accepted.push(hear(link)),
        onEvent: (event) => {
          onEvent?.(event);
          lab.events.push(event);
        },
        log,
        signal: lab.#stop.signal,
      },
    );
    return lab;
  }

  get listener(): Listener {
    if (this.#listener === undefined) throw new Error('the lab is not open');
    return this.#listener;
  }

  get port(): number {
    return this.listener.endpoints[0]?.port ?? 0;
  }

  async dial(options: Partial<PptpDialOptions> = {}): Promise<Heard> {
    const remote = { address: gateway, port: this.port };
    const to = { remote, localAddress: laptop, username: 'alice', password, ...options };
    return hear(await this.#transport.dial(to, { onEvent: () => {}, log: nullLogger, signal: this.#stop.signal }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close({ cause: 'shutdown', detail: 'the test is over' });
  }
}

function hear(link: Link): Heard {
  const packets: Uint8Array[] = [];
  link.onPackets((batch) => void packets.push(...packetsOf(batch)));
  return { link, packets };
}
