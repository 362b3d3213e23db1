/** Where the words of `openTrain`'s report lie, and how many there are. */
export const OpenReport = {
  /** Datagrams that were authentic and new. */
  accepted: 0,
  /** Not authentic. */
  failed: 1,
  /** Authentic, but seen before or too old. */
  replayed: 2,
  /** Shorter than a datagram can be. */
  tooShort: 3,
  /** Inner IP packets, before joining, and their bytes. */
  packets: 4,
  bytes: 5,
  /** Packets that were joined to one before them, so that they have no slot of their own. */
  joined: 6,
  /** Accepted, not empty, and no IP packet: each has a slot that someone should look at. */
  foreign: 7,
  words: 8,
} as const;
