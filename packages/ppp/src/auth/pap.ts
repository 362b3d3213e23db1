/**
 * PAP (RFC 1334, section 2): the password in the clear, asked of nobody and repeated until it is answered.
 *
 *   request  | name length 1 | name | password length 1 | password |        answers  | message length 1 | message |
 */
import type { Instant } from '@culvert/base';
import { decodeControlPacket, encodeControlPacket } from '../packet.ts';
import { PppProtocol } from '../protocol.ts';
import { Exchange } from './exchange.ts';
import type { AuthEvent, AuthMachine, AuthVerdict } from './machine.ts';
import { decodeMessage, decodeName, decodeText, encodeText } from './text.ts';

const Code = { request: 1, ack: 2, nak: 3 } as const;
/** Of a name and of a password (section 2.2.1). */
const LONGEST = 255;
// Chosen by us.
const PATIENCE = 30_000;
const MOST_TRIES = 3;

export class PapClient implements AuthMachine {
  readonly protocol = PppProtocol.pap;
  readonly #exchange = new Exchange();
  readonly #username: string;
  readonly #request: Uint8Array;
  #done = false;

  /** Throws RangeError for a name or password that does not fit. */
  constructor(options: { readonly username: string; readonly password: string }) {
    const [name, password] = [encodeText(options.username), encodeText(options.password)];
    if (name.length > LONGEST || password.length > LONGEST) {
      throw new RangeError(`PAP has at most ${LONGEST} bytes of name and password`);
    }
    this.#username = options.username;
    this.#request = encodeControlPacket(
      Code.request,
      1,
      Uint8Array.of(name.length, ...name, password.length, ...password),
    );
  }

  start(now: Instant): void {
    this.#exchange.repeat(() => this.#request, now);
  }
  handlePacket(bytes: Uint8Array): void {
    const packet = decodeControlPacket(bytes);
    if (this.#done || packet === undefined || packet.id !== 1) return;
    if (packet.code !== Code.ack && packet.code !== Code.nak) return;
    this.#finish();
    if (packet.code === Code.ack) {
      this.#exchange.tell({ kind: 'succeeded', identity: this.#username, material: undefined });
      return;
    }
    const message = decodeMessage(packet.body.subarray(1, 1 + (packet.body[0] ?? 0)));
    this.#exchange.tell({ kind: 'failed', reason: `the server refused name or password: ${message}` });
  }
  handleTimeout(now: Instant): void {
    if (this.#exchange.handleTimeout(now)) return;
    this.#finish();
    this.#exchange.tell({ kind: 'failed', reason: 'the server did not answer to name and password', unanswered: true });
  }
  dispose(): void {
    this.#finish();
  }
  pollTransmit(): Uint8Array | undefined {
    return this.#exchange.pollTransmit();
  }
  pollEvent(): AuthEvent | undefined {
    return this.#exchange.pollEvent();
  }
  pollTimeout(): Instant | undefined {
    return this.#exchange.pollTimeout();
  }

  /** The password is of no more use; packets that wait to be sent are copies. */
  #finish(): void {
    this.#done = true;
    this.#exchange.settle();
  }
}

export class PapServer implements AuthMachine {
  readonly protocol = PppProtocol.pap;
  readonly #exchange = new Exchange();
  #claims = 0;
  #waiting: { readonly claim: number; readonly username: string; id: number } | undefined;
  /** What every further request is told. */
  #answer: ((id: number) => Uint8Array) | undefined;

  start(now: Instant): void {
    this.#exchange.wait((now + PATIENCE) as Instant);
  }
  handlePacket(bytes: Uint8Array): void {
    const packet = decodeControlPacket(bytes);
    const request = packet?.code === Code.request ? decodeRequest(packet.body) : undefined;
    if (packet === undefined || request === undefined) return;
    if (this.#answer !== undefined) this.#exchange.send(this.#answer(packet.id));
    else if (this.#waiting !== undefined) this.#waiting.id = packet.id;
    else {
      this.#exchange.settle();
      const id = ++this.#claims;
      this.#waiting = { claim: id, username: request.username, id: packet.id };
      this.#exchange.tell({ kind: 'claim', id, claim: { method: 'pap', ...request } });
    }
  }
  handleTimeout(now: Instant): void {
    if (!this.#exchange.handleTimeout(now))
      this.#exchange.tell({ kind: 'failed', reason: 'the peer sent no password', unanswered: true });
  }
  handleVerdict(claim: number, verdict: AuthVerdict, now: Instant): void {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.claim !== claim) return;
    this.#waiting = undefined;
    if (verdict.kind === 'admitted') {
      this.#answer = (id) => encodeAnswer(Code.ack, id, '');
      this.#exchange.send(this.#answer(waiting.id));
      this.#exchange.tell({ kind: 'succeeded', identity: waiting.username, material: verdict.material });
      return;
    }
    this.#exchange.send(encodeAnswer(Code.nak, waiting.id, verdict.message));
    if (verdict.retry && this.#claims < MOST_TRIES) {
      this.#exchange.wait((now + PATIENCE) as Instant);
      return;
    }
    this.#answer = (id) => encodeAnswer(Code.nak, id, verdict.message);
    this.#exchange.tell({ kind: 'failed', reason: `${waiting.username} was refused`, detail: verdict });
  }
  dispose(): void {
    this.#exchange.settle();
  }
  pollTransmit(): Uint8Array | undefined {
    return this.#exchange.pollTransmit();
  }
  pollEvent(): AuthEvent | undefined {
    return this.#exchange.pollEvent();
  }
  pollTimeout(): Instant | undefined {
    return this.#exchange.pollTimeout();
  }
}

function decodeRequest(body: Uint8Array): { readonly username: string; readonly password: string } | undefined {
  const nameEnd = 1 + (body[0] ?? LONGEST);
  const passwordLength = body[nameEnd];
  if (passwordLength === undefined || nameEnd + 1 + passwordLength > body.length) return undefined;
  const username = decodeName(body.subarray(1, nameEnd));
  const password = decodeText(body.subarray(nameEnd + 1, nameEnd + 1 + passwordLength));
  return username === undefined || password === undefined ? undefined : { username, password };
}

function encodeAnswer(code: number, id: number, message: string): Uint8Array {
  const text = encodeText(message).subarray(0, LONGEST);
  return encodeControlPacket(code, id, Uint8Array.of(text.length, ...text));
}
