/** Sessions as machines of a LossyLink: frames are datagrams, and router messages go as IPv6 frames among them. */
import type { Instant, Machine, Path, Transmit } from '@culvert/base';
import { seededRandom, simulatedPath } from '@culvert/testkit';
import type { AuthClaim } from '../src/auth/machine.ts';
import type { NetworkConfig, PppClientOptions, PppEvent, PppServerOptions, PppVerdict } from '../src/face.ts';
import { decodeFrame, encodeFrame } from '../src/frame.ts';
import { PppSession } from '../src/session.ts';
import { clientOffer, material, serverOffer } from './stand-in-auth.ts';

const IPV6 = 0x0057;

export const network: NetworkConfig = {
  ipv4: { local: '10.99.0.1', peer: '10.99.0.7', dns: ['10.99.0.53'], nbns: [] },
  ipv6: { prefix: 'fd00:99:0:7::/64', dns: ['fd00:99::53'] },
};
export const admitted: PppVerdict = { kind: 'admitted', material, network };

export function serverOptions(more: Partial<PppServerOptions> = {}, random = seededRandom(1)): PppServerOptions {
  return { role: 'server', random, auth: [serverOffer()], ...more };
}

export function clientOptions(more: Partial<PppClientOptions> = {}, random = seededRandom(2)): PppClientOptions {
  return { role: 'client', random, auth: [clientOffer('alice')], ipv4: { dns: true }, ipv6: {}, ...more };
}

export class SessionEnd implements Machine<PppEvent> {
  readonly session: PppSession;
  /** A server's admission answers at once. */
  verdict: PppVerdict | undefined = admitted;
  /** An admission that looks at claims, in its place. */
  judge: ((claim: AuthClaim) => PppVerdict) | undefined;
  readonly sent: Uint8Array[] = [];
  readonly #path: Path;
  #now = 0 as Instant;

  constructor(options: PppServerOptions | PppClientOptions) {
    this.session = new PppSession(options);
    this.#path = simulatedPath(options.role === 'server' ? 1 : 0);
  }

  handleDatagram(datagram: Uint8Array, _path: Path, now: Instant): void {
    const frame = decodeFrame(datagram);
    if (frame?.protocol === IPV6) this.session.handlePacket(frame.payload, now);
    else this.session.handleFrame(datagram, now);
    this.#now = now;
  }
  handleTimeout(now: Instant): void {
    this.#now = now;
    this.session.handleTimeout(now);
  }
  pollTransmit(): Transmit | undefined {
    const packet = this.session.pollPacket();
    const datagram = this.session.pollTransmit() ?? (packet && encodeFrame(IPV6, packet));
    if (datagram !== undefined) this.sent.push(datagram);
    return datagram && { datagram, path: this.#path };
  }
  pollEvent(): PppEvent | undefined {
    const event = this.session.pollEvent();
    const verdict = event?.kind === 'claim' ? (this.judge?.(event.claim) ?? this.verdict) : undefined;
    if (event?.kind === 'claim' && verdict !== undefined) this.session.handleVerdict(event.id, verdict, this.#now);
    return event;
  }
  pollTimeout(): Instant | undefined {
    return this.session.pollTimeout();
  }
}
