/** ESP that came in UDP: runs of one SA and one path are opened in one call, and what comes out is checked against its selectors. */
import { createPacketBatch, type Instant, type PacketBatch } from '@culvert/base';
import { EspReport } from '@culvert/cipher';
import { matchesSelectors, type SaDatabase, type SaPair, spiOf } from '@culvert/ipsec';
import { type DatagramBatch, pathWords, samePath } from '@culvert/netio';
import type { InboundShare } from '../inbound-share.ts';
import { resetBatch } from '../outbox.ts';
import type { UdpPath, UdpPort } from '../udp-port.ts';
import { EarlyEsp } from './early-esp.ts';
import type { InnerReceiver, IpsecPeer } from './peer.ts';

/** As many as one read of a port may bring. */
const SLOTS = 1_024;
const BYTES = 16 * 65_536;

/** What ESP came through. */
export type EspSource = Pick<UdpPort, 'isOn' | 'pathOf'>;

export interface EspReceiverOptions {
  readonly sas: SaDatabase;
  now(): Instant;
  peerOf(pair: SaPair): IpsecPeer | undefined;
  /** So many bytes are authentic. `moved`: the newest came from there, where the peer was not before. */
  onTraffic(pair: SaPair, bytes: number, moved: UdpPath | undefined): void;
  /** UDP, its selectors checked, that is not for the peer's receiver. Slots of length 0 are none. Lent. */
  onPackets(peer: IpsecPeer, batch: PacketBatch): void;
  /** A mistake of our own in what this peer sent led to. It is to end. */
  onFault(peer: IpsecPeer, error: unknown): void;
}

/** Datagrams of one SA and one path. */
interface Run {
  readonly first: number;
  readonly end: number;
  readonly port: EspSource;
}

export class EspReceiver {
  readonly stats = {
    espIn: 0,
    /** Of no SPI of ours. */
    espUnknown: 0,
    /** Came before the pair of their SPI was made, and waited for it. */
    espEarly: 0,
    /** Of one peer, or of all who claim one from elsewhere, more than its share while more came than we can carry. */
    espOverShare: 0,
    /** Forged, or broken. */
    espFailed: 0,
    espReplayed: 0,
    /** Authentic, but padded wrongly or no UDP. */
    espOther: 0,
    /** Authentic, but not what its SA is for. */
    espSelectors: 0,
  };
  readonly #options: EspReceiverOptions;
  readonly #opened = createPacketBatch(SLOTS, BYTES);
  readonly #report = new Uint32Array(EspReport.words);
  readonly #early = new EarlyEsp();

  constructor(options: EspReceiverOptions) {
    this.#options = options;
  }

  /** Takes the run that begins at `first`, which is ESP; with `share` what is within it. Returns the index behind it. */
  handle(batch: DatagramBatch, first: number, port: EspSource, share?: InboundShare): number {
    const { sas } = this.#options;
    const spi = spiOf(batch.view, batch.offsets[first] ?? 0);
    const end = endOfRun(batch, first, spi);
    this.stats.espIn += end - first;
    if (sas.isPromised(spi)) this.#wait(spi, batch, [first, end], port);
    else if (share === undefined) this.#take(sas.find(spi), batch, { first, end, port });
    else this.#takeWithin(share, sas.find(spi), batch, { first, end, port });
    return end;
  }

  /** The pair of this SPI was made: it takes what came before. */
  handleCreated(spi: number): void {
    const { sas, now } = this.#options;
    for (const { batch, source } of this.#early.take(spi, now()))
      this.#take(sas.find(spi), batch, { first: 0, end: batch.count, port: source });
  }

  close(): void {
    this.#early.clear();
  }

  #wait(spi: number, batch: DatagramBatch, [first, end]: readonly [number, number], port: EspSource): void {
    const kept = this.#early.keep(spi, batch, [first, end], port, this.#options.now());
    this.stats.espEarly += kept;
    this.stats.espUnknown += end - first - kept;
  }

  /** Takes what is within the peer's share, or the strangers'. */
  #takeWithin(share: InboundShare, pair: SaPair | undefined, batch: DatagramBatch, { first, end, port }: Run): void {
    const peer = pair && this.#options.peerOf(pair);
    if (peer === undefined) {
      this.stats.espUnknown += end - first;
      return;
    }
    const use = port.isOn(batch, first, peer.path) ? peer.inbound : undefined;
    for (let at = first; at < end; ) {
      const over = share.within(use, batch, at, end);
      if (over > at) this.#take(pair, batch, { first: at, end: over, port });
      at = over === end ? end : share.behind(batch, over, end);
      this.stats.espOverShare += at - over;
      if (at > over && use !== undefined) peer.receiver?.lose(at - over);
    }
  }

  #take(pair: SaPair | undefined, batch: DatagramBatch, run: Run): void {
    const peer = pair && this.#options.peerOf(pair);
    if (pair === undefined || peer === undefined) {
      this.stats.espUnknown += run.end - run.first;
      return;
    }
    try {
      this.#open(pair, peer, batch, run);
    } catch (error) {
      this.#options.onFault(peer, error);
    }
  }

  #open(pair: SaPair, peer: IpsecPeer, batch: DatagramBatch, { first, end, port }: Run): void {
    const opened = this.#opened;
    const { highest } = pair;
    for (let at = first; at < end; ) {
      const { receiver } = peer;
      const next = this.#openTo(opened, receiver, pair, batch, at, end - at);
      this.#count();
      // What not even an empty batch takes is passed over.
      at = Math.max(next, at + 1);
      const of = (word: number): number => this.#report[word] ?? 0;
      if (of(EspReport.accepted) === 0) continue;
      // Only what is newer than all before tells where the peer is: copies of old packets may come from anywhere. Of a pair outside of UDP
      // nothing does: there is no NAT, and in UDP it is sent by whoever caught it.
      const isNews = pair.sa.udpEncapsulated && pair.highest > highest && !port.isOn(batch, first, peer.path);
      const [packets, bytes] = [of(EspReport.packets), of(EspReport.inner)];
      this.#options.onTraffic(pair, of(EspReport.bytes), isNews ? port.pathOf(batch, first) : undefined);
      // Its headers were a packet's of this conversation, selectors checked.
      if (packets > 0) receiver?.receive(packets, bytes);
      if (opened.count === 0) continue;
      this.#checkSelectors(pair, opened);
      this.#options.onPackets(peer, opened);
    }
  }

  #openTo(
    opened: PacketBatch,
    receiver: InnerReceiver | undefined,
    pair: SaPair,
    src: DatagramBatch,
    first: number,
    count: number,
  ): number {
    resetBatch(opened);
    if (receiver === undefined) return pair.open(src, first, count, opened, this.#report);
    const { batch, headers, join } = receiver;
    resetBatch(batch);
    return pair.openFramed(src, first, count, batch, opened, this.#report, headers, join);
  }

  #count(): void {
    const of = (word: number): number => this.#report[word] ?? 0;
    this.stats.espFailed += of(EspReport.failed) + of(EspReport.malformed);
    this.stats.espReplayed += of(EspReport.replayed);
    this.stats.espOther += of(EspReport.padding) + of(EspReport.nextHeader) + of(EspReport.dummy);
  }

  #checkSelectors({ sa }: SaPair, { view, offsets, lengths, count }: PacketBatch): void {
    for (let slot = 0; slot < count; slot++) {
      if (matchesSelectors(sa, view, offsets[slot] ?? 0, lengths[slot] ?? 0)) continue;
      lengths[slot] = 0;
      this.stats.espSelectors++;
    }
  }
}

/** The datagrams from `first` on that are one SA's and came on one path. */
function endOfRun({ view, offsets, lengths, paths, count }: DatagramBatch, first: number, spi: number): number {
  let end = first + 1;
  for (; end < count; end++) {
    if ((lengths[end] ?? 0) <= 8 || spiOf(view, offsets[end] ?? 0) !== spi) break;
    if (!samePath(paths, first * pathWords, paths, end * pathWords)) break;
  }
  return end;
}
