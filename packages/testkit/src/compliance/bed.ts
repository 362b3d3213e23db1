/** What a transport brings to its compliance suite, and the helpers that all of the suite's tests share. */
import assert from 'node:assert/strict';
import type { CloseReason, Millis } from '@culvert/base';
import type { Link, Listener, Transport, TransportEvent } from '@culvert/core';
import { eventually, inTime } from '../eventually.ts';
import { RecordingLogger } from '../loggers.ts';
import { ScriptedAdmission } from '../scripted-admission.ts';
import { batchOf, packetsOf } from './packets.ts';

/** What one test needs of its bed beyond the usual. */
export interface Wishes {
  /** Links change their keys so long after each change of keys. Undefined: not during the test. */
  readonly rekeyAfter?: Millis;
  /** The test opens so many links, as fast as it can. */
  readonly links?: number;
  /** The largest inner packet is to be so long. Undefined: the usual. */
  readonly mtu?: number;
}

/** What comes from the other address. */
export interface Mirror {
  /** Packets that it sent. */
  readonly sent: number;
  /** Packets that the listener has refused since. */
  refused(): number;
  stop(): void;
}

/** A transport, and the wire between its ends. Made anew for each test. */
export interface TransportBed<ListenOptions, DialOptions> {
  readonly transport: Transport<ListenOptions, DialOptions>;
  readonly listenOptions: ListenOptions;
  /** How to reach that listener, through the wire that the other members act on. */
  dialOptions(listener: Listener): DialOptions | Promise<DialOptions>;
  /** From now on nothing passes in either direction. */
  cutWire(): void;
  healWire(): void;
  /** The dialling end's outer address changes. Needed where the transport is capable of roaming, or its links are lost then. */
  roam?(): void;
  /** From now on what the dialling end sends comes from another address as well. Needed where that neither moves a link nor ends it. */
  mirror?(): Mirror;
  /** To listen at an IPv6 address, and to dial one. Needed where the transport has none outside. */
  readonly ipv6?: { readonly listenOptions: ListenOptions; readonly dialOptions: DialOptions };
  /** Send `bytes` to the listener as a stranger does. */
  hostile(bytes: Uint8Array): void;
  /** What a peer sends first on a TCP connection, as far as it gets without an answer, or further. Needed where the listener has TCP. */
  opening?(): Promise<Uint8Array> | Uint8Array;
}

export interface TransportComplianceOptions<ListenOptions, DialOptions> {
  readonly name: string;
  setup(wishes: Wishes): Promise<TransportBed<ListenOptions, DialOptions>> | TransportBed<ListenOptions, DialOptions>;
  /** Close what `setup` opened (relays, contexts). The suite closes links and listeners itself. */
  teardown(bed: TransportBed<ListenOptions, DialOptions>): Promise<void> | void;
  /** The sizes test sends every length up to this one. @default 1500 */
  readonly mtu?: number;
  /** The largest MTU that can be set, where one can: packets up to that pass then. */
  readonly largestMtu?: number;
  /** For the test of many links. @default 1000 */
  readonly manyLinks?: number;
}

/** A behaviour, and the test that holds it. */
export type ComplianceTest = readonly [behaviour: string, body: () => Promise<void>];

/** Runs `body` on a stage whose listener is up, takes everything down and looks for what was left. */
export type OnStage<L, D> = (
  body: (stage: Stage<L, D>) => Promise<void>,
  options?: { readonly wishes?: Wishes; readonly admission?: ScriptedAdmission },
) => Promise<void>;

export const goodbye: CloseReason = { cause: 'operator', detail: 'the test is over' };

/** A listener under a scripted admission, and what happened to it. */
export class Stage<L, D> {
  readonly bed: TransportBed<L, D>;
  readonly admission: ScriptedAdmission;
  readonly log = new RecordingLogger();
  /** Links of the listening end, in the order in which they came up. */
  readonly accepted: Accepted[] = [];
  /** Links of the dialling end. */
  readonly dialled: Accepted[] = [];
  readonly events: TransportEvent[] = [];
  readonly dialEvents: TransportEvent[] = [];
  readonly stop = new AbortController();
  #listener: Listener | undefined;

  constructor(bed: TransportBed<L, D>, admission = new ScriptedAdmission()) {
    this.bed = bed;
    this.admission = admission;
  }

  get listener(): Listener {
    assert.ok(this.#listener !== undefined, 'the stage listens');
    return this.#listener;
  }

  async listen(): Promise<void> {
    this.#listener = await this.bed.transport.listen(this.bed.listenOptions, {
      admission: this.admission,
      onLink: (link) => this.accepted.push(new Accepted(link)),
      onEvent: (event) => this.events.push(event),
      log: this.log,
      signal: this.stop.signal,
    });
  }

  /** Also when it never listened. */
  async stopListening(): Promise<void> {
    await this.#listener?.close(goodbye);
  }

  async dial(signal: AbortSignal = new AbortController().signal): Promise<Accepted> {
    const options = await this.bed.dialOptions(this.listener);
    const onEvent = (event: TransportEvent) => void this.dialEvents.push(event);
    const accepted = new Accepted(await this.bed.transport.dial(options, { onEvent, log: this.log, signal }));
    this.dialled.push(accepted);
    return accepted;
  }

  /** Both ends of a new link: the listening one, then the dialling one. */
  async connect(): Promise<[Accepted, Accepted]> {
    const index = this.accepted.length;
    const dialled = await inTime('dial', this.dial());
    return [await eventually('the listener has the link', () => this.accepted[index]), dialled];
  }

  /** Like `connect`, several at a time. */
  async connectMany(count: number, atOnce: number): Promise<Accepted[]> {
    const dialled: Accepted[] = [];
    let started = 0;
    const worker = async () => {
      while (started++ < count) dialled.push(await this.dial());
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
    await eventually('the listener has all links', () => this.accepted.length === count);
    return dialled;
  }

  /** Every admitted claim was given back once, all of them because the links ended. */
  async assertReleased(): Promise<void> {
    const { releases } = this.admission;
    await eventually('every lease is released', () => releases.every((reasons) => reasons.length > 0));
    assert.deepEqual(
      releases.map((reasons) => reasons.length),
      releases.map(() => 1),
      'each lease is released exactly once',
    );
  }

  eventsOf(kind: TransportEvent['kind']): TransportEvent[] {
    return this.events.filter((event) => event.kind === kind);
  }
}

/** Ends every link and the listener. Idempotent. */
export async function takeDown<L, D>(stage: Stage<L, D>): Promise<void> {
  stage.bed.healWire();
  await inTime('dialled links close', Promise.all(stage.dialled.map(({ link }) => link.close(goodbye))));
  await inTime('the listener closes', stage.stopListening());
}

/** A link, with all packets that it gave. */
export class Accepted {
  readonly link: Link;
  readonly packets: Uint8Array[] = [];
  closed: CloseReason | undefined;

  constructor(link: Link) {
    this.link = link;
    link.onPackets((batch) => void this.packets.push(...packetsOf(batch)));
    void link.closed.then((why) => {
      this.closed = why;
    });
  }

  /** Sends `chunk` packets at a time and waits for them to come out of `to`, in order and unharmed. */
  async carry(packets: readonly Uint8Array[], to: Accepted, chunk = 32): Promise<void> {
    for (let at = 0; at < packets.length; at += chunk) {
      const part = packets.slice(at, at + chunk);
      const before = to.packets.length;
      this.link.send(batchOf(part));
      await eventually(`packets ${at} to ${at + part.length} arrive`, () => to.packets.length >= before + part.length);
      const arrived = to.packets.slice(before);
      assert.deepEqual(arrived.map(fingerprint), part.map(fingerprint));
    }
  }
}

/** Short in an assertion's message, and different for different bytes. */
function fingerprint(packet: Uint8Array): string {
  return `${packet.length}:${Buffer.from(packet.buffer, packet.byteOffset, packet.length).toString('latin1')}`;
}
