/**
 * Authentication for the tests of the engine: the packets of CHAP (RFC 1994, section 4) without its sums. The server's challenge and the
 * client's response are constants; whoever answers is who it says.
 */
import type { Instant } from '@culvert/base';
import type { AuthClaim, AuthEvent, AuthMachine, AuthMaterial, AuthVerdict } from '../src/auth/machine.ts';
import type { AuthOffer } from '../src/face.ts';
import { decodeControlPacket, encodeControlPacket } from '../src/packet.ts';

const RETRY = 1_000;
const MOST_TRIES = 10;
const Code = { challenge: 1, response: 2, success: 3, failure: 4 } as const;
const VALUE = Uint8Array.of(4, 0xca, 0xfe, 0xca, 0xfe);

export const material: AuthMaterial = {
  authenticatorResponse: `S=${'0'.repeat(40)}`,
  mppeMasterKey: Uint8Array.from({ length: 16 }, (_, n) => n),
};

export function clientOffer(
  name: string,
  gets = material,
  protocol = 0xc223,
  algorithm: number | undefined = 0x81,
): AuthOffer {
  return { name: 'stand-in', protocol, algorithm, create: () => new Client(name, protocol, gets) };
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
  abstract handleTimeout(now: Instant): void;
  protected abstract handle(code: number, id: number, body: Uint8Array, now: Instant): void;

  handlePacket(bytes: Uint8Array, now: Instant): void {
    const packet = decodeControlPacket(bytes);
    if (packet !== undefined) this.handle(packet.code, packet.id, packet.body, now);
  }
  dispose(): void {
    this.deadline = undefined;
  }
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
  #response: Uint8Array | undefined;

  constructor(name: string, protocol: number, gets: AuthMaterial) {
    super(protocol);
    this.#name = name;
    this.#material = gets;
  }
  start(): void {}
  /** The Success may be lost (RFC 1994, section 4.2). */
  handleTimeout(now: Instant): void {
    if (this.deadline === undefined || now < this.deadline || this.#response === undefined) return;
    this.deadline = (now + RETRY) as Instant;
    this.out.push(this.#response);
  }
  protected override handle(code: number, id: number, _body: Uint8Array, now: Instant): void {
    if (code === Code.challenge) {
      const name = new TextEncoder().encode(this.#name);
      this.#response = encodeControlPacket(Code.response, id, Uint8Array.of(...VALUE, ...name));
      this.deadline = now;
      this.handleTimeout(now);
    } else if (this.deadline !== undefined && (code === Code.success || code === Code.failure)) {
      this.deadline = undefined;
      if (code === Code.failure) this.events.push({ kind: 'failed', reason: 'the server does not let us in' });
      else this.events.push({ kind: 'succeeded', identity: this.#name, material: this.#material });
    }
  }
}

class Server extends End {
  #tries = 0;
  #claimed = false;
  #answer: Uint8Array | undefined;
  #name = '';
  #id = 0;

  start(now: Instant): void {
    this.deadline = now;
    this.handleTimeout(now);
  }
  handleTimeout(now: Instant): void {
    if (this.deadline === undefined || now < this.deadline) return;
    if (++this.#tries > MOST_TRIES) {
      this.deadline = undefined;
      this.events.push({ kind: 'failed', reason: 'no answer to the challenge' });
      return;
    }
    this.deadline = (now + RETRY) as Instant;
    this.out.push(
      encodeControlPacket(Code.challenge, 1, Uint8Array.of(...VALUE, ...new TextEncoder().encode('culvert'))),
    );
  }
  protected override handle(code: number, id: number, body: Uint8Array): void {
    const valueBytes = body[0];
    if (code !== Code.response || valueBytes === undefined || body.length < 1 + valueBytes) return;
    if (this.#answer !== undefined) this.out.push(this.#answer);
    if (this.#claimed) return;
    this.#claimed = true;
    this.#id = id;
    this.deadline = undefined;
    this.#name = new TextDecoder().decode(body.subarray(1 + valueBytes));
    const claim: AuthClaim = { method: 'pap', username: this.#name, password: '' };
    this.events.push({ kind: 'claim', id: 1, claim });
  }
  handleVerdict(_id: number, verdict: AuthVerdict): void {
    const code = verdict.kind === 'admitted' ? Code.success : Code.failure;
    this.#answer = encodeControlPacket(code, this.#id, new Uint8Array(0));
    this.out.push(this.#answer);
    if (verdict.kind === 'admitted') {
      this.events.push({ kind: 'succeeded', identity: this.#name, material: verdict.material });
    } else this.events.push({ kind: 'failed', reason: verdict.message });
  }
}
