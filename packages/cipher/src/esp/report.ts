/**
 * Where the words of the report of `open` and `openFramed` lie, and how many there are. Every packet is counted in one of the first
 * seven.
 */
export const EspReport = {
  /** With `open` each has a slot. */
  accepted: 0,
  /** Of another SPI, or not authentic. */
  failed: 1,
  /** Seen before or too old by its sequence number; not authenticated (RFC 4303, section 3.4.3). */
  replayed: 2,
  /** Shorter than a packet can be, or no whole number of blocks. */
  malformed: 3,
  /** Authentic, but padded otherwise than with 1, 2, 3 and so on (RFC 4303, section 2.4). */
  padding: 4,
  /** Authentic, but not of the next header that was asked for. */
  nextHeader: 5,
  /** Authentic and without meaning: next header 59 (RFC 4303, section 2.6). */
  dummy: 6,
  /** Of accepted payloads. */
  bytes: 7,
  /** IP packets that `openFramed` found behind the headers it was given, and their bytes. */
  packets: 8,
  inner: 9,
  /** Of these, those that others were joined to: each saves a slot. */
  joined: 10,
  /** Accepted by `openFramed` with other headers. */
  others: 11,
  words: 12,
} as const;
