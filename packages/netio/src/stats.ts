/** Counts since the socket was opened. A lost datagram is a number here, never an exception. */
export interface SocketStats {
  received: number;
  /** Handed to the kernel. */
  sent: number;
  /** Received but longer than `slotBytes`, and dropped. */
  truncated: number;
  /** Received without a byte in them, and dropped. */
  empty: number;
  /** Refused by the kernel one by one: no route, larger than the path takes, a firewall. */
  sendErrors: number;
  /** Times that the kernel's send queue was full. */
  wouldBlock: number;
  /** The system's name of the latest error on either way ("EMSGSIZE"). */
  lastError: string | undefined;
  /** Trains of datagrams that the kernel took as one, and gave as one. */
  trainsSent: number;
  trainsReceived: number;
  /** Trains that the kernel refused, because the path's MTU is smaller or for want of memory; they left as single datagrams. */
  trainFallbacks: number;
  /** Whether the socket sends trains; it may switch itself off. */
  segmentation: 'on' | 'off';
  /** Why it does not: "unwanted", or the system's name of the error. */
  segmentationOff: string | undefined;
  /** Whether the kernel gives trains. */
  coalescing: 'on' | 'off';
  coalescingOff: string | undefined;
}

export function createStats(): SocketStats {
  return {
    received: 0,
    sent: 0,
    truncated: 0,
    empty: 0,
    sendErrors: 0,
    wouldBlock: 0,
    lastError: undefined,
    trainsSent: 0,
    trainsReceived: 0,
    trainFallbacks: 0,
    segmentation: 'off',
    segmentationOff: 'unwanted',
    coalescing: 'off',
    coalescingOff: 'unwanted',
  };
}
