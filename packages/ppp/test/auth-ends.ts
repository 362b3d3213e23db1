/** Machines of authentication as ends of a LossyLink, with an admission that knows alice. */

import { createHash } from 'node:crypto';
import type { Instant, Machine, Path, Transmit } from '@culvert/base';
import { LossyLink, type LossyLinkOptions, simulatedPath } from '@culvert/testkit';
import type { AuthClaim, AuthEvent, AuthMachine, AuthVerdict } from '../src/auth/machine.ts';
import { ntPasswordHash, verifyMsChapV2, withoutDomain } from '../src/auth/mschapv2.ts';

export const PASSWORD = 'clientPass';
export const wrong: Extract<AuthVerdict, { kind: 'refused' }> = {
  kind: 'refused',
  code: 691,
  message: 'wrong name or password',
  retry: false,
};

/** What a gateway does that holds alice's password. */
export function admission(claim: AuthClaim): AuthVerdict {
  if (claim.method === 'eap-tls') return { kind: 'admitted', material: undefined };
  if (withoutDomain(claim.username) !== 'alice') return wrong;
  if (claim.method === 'pap') return claim.password === PASSWORD ? { kind: 'admitted', material: undefined } : wrong;
  if (claim.method === 'chap-md5') {
    const hash = createHash('md5').update(Uint8Array.of(claim.id)).update(PASSWORD).update(claim.challenge).digest();
    return hash.equals(claim.response) ? { kind: 'admitted', material: undefined } : wrong;
  }
  const material = verifyMsChapV2(claim, ntPasswordHash(PASSWORD));
  return material === undefined ? wrong : { kind: 'admitted', material };
}

export class AuthEnd implements Machine<AuthEvent> {
  readonly machine: AuthMachine;
  readonly claims: AuthClaim[] = [];
  judge: ((claim: AuthClaim) => AuthVerdict | undefined) | undefined;
  readonly sent: Uint8Array[] = [];
  readonly #path: Path;
  #now = 0 as Instant;

  constructor(side: 0 | 1, machine: AuthMachine, judge?: (claim: AuthClaim) => AuthVerdict | undefined) {
    this.machine = machine;
    this.judge = judge;
    this.#path = simulatedPath(side);
  }
  handleDatagram(datagram: Uint8Array, _path: Path, now: Instant): void {
    this.#now = now;
    this.machine.handlePacket(datagram, now);
  }
  handleTimeout(now: Instant): void {
    this.#now = now;
    const deadline = this.machine.pollTimeout();
    if (deadline !== undefined && now >= deadline) this.machine.handleTimeout(now);
  }
  pollTransmit(): Transmit | undefined {
    const datagram = this.machine.pollTransmit();
    if (datagram !== undefined) this.sent.push(datagram);
    return datagram && { datagram, path: this.#path };
  }
  pollEvent(): AuthEvent | undefined {
    const event = this.machine.pollEvent();
    if (event?.kind === 'claim') {
      this.claims.push(event.claim);
      const verdict = this.judge?.(event.claim);
      if (verdict !== undefined) this.machine.handleVerdict?.(event.id, verdict, this.#now);
    }
    return event;
  }
  pollTimeout(): Instant | undefined {
    return this.machine.pollTimeout();
  }
}

/** A client and a server that talk until both are done or silent. Index 0 of the events is the client's. */
export function authenticate(
  client: AuthMachine,
  server: AuthMachine,
  judge: (claim: AuthClaim) => AuthVerdict | undefined = admission,
  wire: LossyLinkOptions = {},
) {
  const ends = [new AuthEnd(0, client), new AuthEnd(1, server, judge)] as const;
  const link = new LossyLink<AuthEvent>(ends[0], ends[1], { latency: 10, ...wire });
  server.start(link.now);
  client.start(link.now);
  link.settle(300_000);
  return { link, ends, client: link.events[0], server: link.events[1].filter(({ kind }) => kind !== 'claim') };
}
