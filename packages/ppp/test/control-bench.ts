/** A control protocol under test with a policy of one option, and a peer's hand that makes every event of RFC 1661's automaton happen. */
import assert from 'node:assert/strict';
import type { Instant } from '@culvert/base';
import type { AutomatonEvent } from '../src/automaton.ts';
import { ControlProtocol } from '../src/control-protocol.ts';
import { type ConfigOption, decodeControlPacket, encodeControlPacket, encodeOptions } from '../src/packet.ts';
import type { Judgement, OptionPolicy } from '../src/policy.ts';

/** Wants option 1 with a value; of its peer it accepts option 1 with 7, naks other values of it, and rejects the rest. */
class SamplePolicy implements OptionPolicy {
  readonly protocol = 0x8021;
  readonly name = 'SAMPLE';
  value = 1;
  dropped = false;
  resets = 0;
  reset(): void {
    this.resets++;
    this.value = 1;
    this.dropped = false;
  }
  request(): ConfigOption[] {
    return this.dropped ? [] : [{ type: 1, data: Uint8Array.of(this.value) }];
  }
  judge(options: readonly ConfigOption[], mayNak: boolean): Judgement {
    const unknown = options.filter(({ type }) => type !== 1);
    if (unknown.length > 0) return { kind: 'reject', options: unknown };
    const wrong = options.filter(({ data }) => data[0] !== 7);
    if (wrong.length === 0) return { kind: 'ack' };
    if (wrong.some(({ data }) => data[0] === 99)) return { kind: 'impossible', reason: 'never 99' };
    return mayNak
      ? { kind: 'nak', options: [{ type: 1, data: Uint8Array.of(7) }] }
      : { kind: 'reject', options: wrong };
  }
  handleNak(options: readonly ConfigOption[]): string | undefined {
    this.value = options[0]?.data[0] ?? this.value;
    return this.value === 66 ? 'not 66' : undefined;
  }
  handleReject(): undefined {
    this.dropped = true;
  }
  describe(options: readonly ConfigOption[]): string {
    return options.map(({ type }) => `option ${type}`).join(', ');
  }
}

export const good = encodeOptions([{ type: 1, data: Uint8Array.of(7) }]);
export const bad = encodeOptions([{ type: 1, data: Uint8Array.of(8) }]);

/** A protocol under test, and a peer's hand. */
export class Bench {
  now = 1_000 as Instant;
  readonly policy = new SamplePolicy();
  readonly protocol: ControlProtocol;
  constructor({ patience = 0 } = {}) {
    const options = { policy: this.policy, knows: (code: number) => code === 9, longest: () => 100, patience };
    this.protocol = new ControlProtocol(options);
  }
  #id = 100;
  #requests = 0;

  packet(code: number, id: number, body: Uint8Array = new Uint8Array(0)): void {
    this.protocol.handlePacket(encodeControlPacket(code, id, body), this.now);
  }
  /** What was sent, by name; the last request is kept. */
  sent(): string[] {
    const names = ['', 'scr', 'sca', 'scn', 'scn', 'str', 'sta', 'scj'];
    const out: string[] = [];
    for (let bytes = this.protocol.pollTransmit(); bytes !== undefined; bytes = this.protocol.pollTransmit()) {
      const packet = decodeControlPacket(bytes);
      assert.ok(packet);
      if (packet.code === 1) this.request = { id: packet.id, body: packet.body };
      this.last = packet;
      out.push(names[packet.code] ?? `code ${packet.code}`);
    }
    return out;
  }
  request = { id: 0, body: new Uint8Array(0) as Uint8Array };
  last: { code: number; id: number; body: Uint8Array } | undefined;
  events(): string[] {
    const short: Record<string, string> = { up: 'tlu', down: 'tld', finished: 'tlf' };
    const out: string[] = [];
    for (let event = this.protocol.pollEvent(); event !== undefined; event = this.protocol.pollEvent()) {
      if (event.kind !== 'note') out.push(short[event.kind] ?? event.kind);
    }
    return out;
  }
  later(time = 3_000): void {
    this.now = (this.now + time) as Instant;
    this.protocol.handleTimeout(this.now);
  }
  /** Makes `event` happen by what makes it happen in the world. */
  cause(event: AutomatonEvent): void {
    const { protocol, now } = this;
    switch (event) {
      case 'Up':
        protocol.lowerUp(now);
        return;
      case 'Down':
        protocol.lowerDown(now);
        return;
      case 'Open':
        protocol.open(now);
        return;
      case 'Close':
        protocol.close(now);
        return;
      case 'TO+':
        this.later();
        return;
      case 'TO-':
        for (let n = 0; n < 30 && protocol.pollTimeout() !== undefined; n++) {
          this.sent();
          this.later();
        }
        return;
      case 'RCR+':
        this.packet(1, this.#id++, this.#requests++ === 0 ? good : new Uint8Array(0));
        return;
      case 'RCR-':
        this.packet(1, this.#id++, bad);
        return;
      case 'RCA':
        this.packet(2, this.request.id, this.request.body);
        return;
      case 'RCN':
        this.packet(3, this.request.id, good);
        return;
      case 'RTR':
        this.packet(5, this.#id++);
        return;
      case 'RTA':
        this.packet(6, this.#id++);
        return;
      case 'RUC':
        this.packet(77, this.#id++);
        return;
      case 'RXJ+':
        this.packet(7, this.#id++, Uint8Array.of(9, 1, 0, 4));
        return;
      case 'RXJ-':
        this.packet(7, this.#id++, Uint8Array.of(1, 1, 0, 4));
        return;
      case 'RXR':
        this.packet(9, this.#id++);
        return;
    }
  }
}
