/** What a listener's or a link's UDP sockets did, by the names that `Listener.stats` and `Link.wire` give to it. */
import type { SocketStats } from '@culvert/netio';

export type SocketCounts = ReturnType<typeof createSocketCounts>;

export function createSocketCounts() {
  return {
    datagramsReceived: 0,
    datagramsSent: 0,
    /** Runs of datagrams that the kernel gave, and took, as one. */
    trainsReceived: 0,
    trainsSent: 0,
    /** Trains whose datagrams had to leave one by one. */
    trainFallbacks: 0,
    datagramsTruncated: 0,
    datagramsEmpty: 0,
    sendErrors: 0,
    /** Times that the kernel's queue was full. */
    sendQueueFull: 0,
    /** Sockets that send no trains, and that get none. */
    socketsWithoutSegmentation: 0,
    socketsWithoutCoalescing: 0,
  };
}

export type BareCounts = ReturnType<typeof createBareCounts>;

/** Of sockets for ESP as IP protocol 50. */
export function createBareCounts() {
  return { bareReceived: 0, bareSent: 0, bareTruncated: 0, bareSendErrors: 0, bareSendQueueFull: 0 };
}

export function addBareCounts(counts: BareCounts, stats: Readonly<SocketStats>): void {
  counts.bareReceived += stats.received;
  counts.bareSent += stats.sent;
  counts.bareTruncated += stats.truncated;
  counts.bareSendErrors += stats.sendErrors;
  counts.bareSendQueueFull += stats.wouldBlock;
}

export function addSocketCounts(counts: SocketCounts, stats: Readonly<SocketStats>): void {
  counts.datagramsReceived += stats.received;
  counts.datagramsSent += stats.sent;
  counts.trainsReceived += stats.trainsReceived;
  counts.trainsSent += stats.trainsSent;
  counts.trainFallbacks += stats.trainFallbacks;
  counts.datagramsTruncated += stats.truncated;
  counts.datagramsEmpty += stats.empty;
  counts.sendErrors += stats.sendErrors;
  counts.sendQueueFull += stats.wouldBlock;
  if (stats.segmentation === 'off') counts.socketsWithoutSegmentation++;
  if (stats.coalescing === 'off') counts.socketsWithoutCoalescing++;
}
