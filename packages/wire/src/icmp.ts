/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443), read where they lie.
 *
 *   0      1      2           4                       8
 *   | type | code | checksum  | identifier, MTU ...   | data, or the packet that an error is about
 */
export const ICMP_HEADER = 8;

export const IcmpType = {
  echoReply: 0,
  destinationUnreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
} as const;

export const Icmpv6Type = {
  destinationUnreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  redirect: 137,
} as const;

/** Whether a message of this type quotes the packet that it complains about. A redirect does, and is an error here. */
export function isIcmpError(version: number, type: number): boolean {
  if (version === 6) return type < 128 || type === Icmpv6Type.redirect;
  return (
    type === IcmpType.destinationUnreachable ||
    type === IcmpType.sourceQuench ||
    type === IcmpType.redirect ||
    type === IcmpType.timeExceeded ||
    type === IcmpType.parameterProblem
  );
}

export function isEchoRequest(version: number, type: number): boolean {
  return type === (version === 4 ? IcmpType.echoRequest : Icmpv6Type.echoRequest);
}

export function isEchoReply(version: number, type: number): boolean {
  return type === (version === 4 ? IcmpType.echoReply : Icmpv6Type.echoReply);
}
