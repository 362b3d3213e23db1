/** A trivial authentication protocol for the tests of the engine: the client tells its name, again until it is answered. */
import type { Instant } from '@culvert/base';
import type { AuthClaim, AuthEvent, AuthMachine, AuthMaterial, AuthVerdict } from '../src/auth/machine.ts';
import type { AuthOffer } from '../src/face.ts';

const RETRY = 1_000;
const MOST_TRIES = 10;
const code = { name: 1, yes: 2, no: 3 } as const;

export const material: AuthMaterial = {
  authenticatorResponse: `S=${'0'.repeat(40)}`,
  mppeMasterKey: Uint8Array.from({ length: 16 }, (_, n) => n),
};

export function clientOffer(
  name: string,
  with_ = material,
  protocol = 0xc223,
  algorithm: number | undefined = 0x81,
): AuthOffer {
  return { name: 'stand-in', protocol, algorithm, create: () => new Client(name, protocol, with_) };
}

export function serverOffer(protocol = 0xc223, algorithm: number | undefined = 0x81): AuthOffer {
  return { name: 'stand-in', protocol, algorithm, create: () => new Server(protocol) };
}

abstract class End implements AuthMachine {
  readonly protocol: number;
  protected readonly out: Uint8Array[] = [];
  protected readonly events: AuthEvent[] = [];
  protected deadline: Instant | undefined;

  constructor(protocol: number) {
    this.protocol = protocol;
  }
  abstract start(now: Instant): void;
  abstract handlePacket(packet: Uint8Array, now: Instant): void;
  abstract handleTimeout(now: Instant): void;
  pollTransmit(): Uint8Array | undefined {
    return this.out.shift();
  }
  pollEvent(): AuthEvent | undefined {
    return this.events.shift();
  }
  pollTimeout(): Instant | undefined {
    return this.deadline;
  }
}

class Client extends End {
  readonly #name: string;
  readonly #material: AuthMaterial;
  #tries = 0;
  #done = false;

  constructor(name: string, protocol: number, with_: AuthMaterial) {
    super(protocol);
    this.#name = name;
    this.#material = with_;
  }
  start(now: Instant): void {
    this.deadline = now;
    this.handleTimeout(now);
  }
  handlePacket(packet: Uint8Array): void {
    if (this.#done || packet.length !== 4) return;
    this.#done = packet[0] === code.yes || packet[0] === code.no;
    if (this.#done) this.deadline = undefined;
    if (packet[0] === code.yes) this.events.push({ kind: 'succeeded', identity: this.#name, material: this.#material });
    if (packet[0] === code.no) this.events.push({ kind: 'failed', reason: 'wrong name' });
  }
  handleTimeout(now: Instant): void {
    if (this.deadline === undefined || now < this.deadline) return;
    this.deadline = ++this.#tries < MOST_TRIES ? ((now + RETRY) as Instant) : undefined;
    const name = new TextEncoder().encode(this.#name);
    this.out.push(Uint8Array.of(code.name, 1, 0, 4 + name.length, ...name));
  }
}

class Server extends End {
  #claimed = false;
  #answer: Uint8Array | undefined;
  #name = '';

  start(): void {}
  handleTimeout(): void {}
  handlePacket(packet: Uint8Array): void {
    if (packet.length < 5 || packet[0] !== code.name || packet[3] !== packet.length) return;
    if (this.#answer !== undefined) this.out.push(this.#answer);
    if (this.#claimed) return;
    this.#claimed = true;
    this.#name = new TextDecoder().decode(packet.subarray(4));
    const claim: AuthClaim = { method: 'pap', username: this.#name, password: '' };
    this.events.push({ kind: 'claim', id: 1, claim });
  }
  handleVerdict(_id: number, verdict: AuthVerdict): void {
    this.#answer = Uint8Array.of(verdict.kind === 'admitted' ? code.yes : code.no, 1, 0, 4);
    this.out.push(this.#answer);
    if (verdict.kind === 'admitted') {
      this.events.push({ kind: 'succeeded', identity: this.#name, material: verdict.material });
    } else this.events.push({ kind: 'failed', reason: verdict.message });
  }
}
