/** Where the words of an MPPE key's report lie, and how many there are. */
export const MppeReport = {
  /** Frames that held an IP packet. */
  accepted: 0,
  /** Not MPPE's, or not as agreed: no protocol 0x00fd, no count, or a bit of it missing. What comes in the clear is dropped. */
  unencrypted: 1,
  /** Repeated, older than the last one, or so far ahead that the key changes of a call do not suffice. */
  late: 2,
  /** No IP packet came out: forged, broken, or of a protocol that we do not speak. The key stays where it was. */
  garbled: 3,
  /** Counts that accepted frames went past: what was lost on the way. */
  missing: 4,
  /** Inner IP packets, before joining, and their bytes. */
  packets: 5,
  bytes: 6,
  /** Packets that were joined to one before them, so that they have no slot of their own. */
  joined: 7,
  /** With state alone: frames that cannot be read because one before them was lost. The peer is to be asked for a flushed one. */
  waiting: 8,
  words: 9,
} as const;
