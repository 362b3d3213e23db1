declare const instant: unique symbol;

/** A length of time in milliseconds. */
export type Millis = number;

/** A point on a monotonic clock, in milliseconds. Only differences mean anything; the calendar is `WallClock`'s. */
export type Instant = number & { readonly [instant]: true };

/** Reads the monotonic clock. Only drivers and programs hold one; machines are told the time. */
export interface MonotonicClock {
  now(): Instant;
}

/** The calendar, for what needs it: certificates, tls-crypt replay time, tokens. */
export interface WallClock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  unixMillis(): number;
}

/** Unpredictable bytes, passed in so that every run can be repeated. */
export interface RandomSource {
  bytes(length: number): Uint8Array;
}
