/** Both ends belong to the range. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** One rule of the packet filter. What is left out matches everything. */
export interface FilterRule {
  readonly action: 'allow' | 'deny';
  /** The rule is for links whose principal is in one of these groups. */
  readonly groups?: readonly string[] | undefined;
  /**
   * Who opens the flow. Answers need no rule of their own.
   * @default 'fromClient'
   */
  readonly direction?: 'fromClient' | 'fromOffice' | undefined;
  /** Networks on the office's side: destinations of a client's flows, sources of the office's. */
  readonly networks?: readonly string[] | undefined;
  /** `icmp` is ICMP in IPv4 and ICMPv6 in IPv6; a number is the IP protocol's. */
  readonly protocol?: 'any' | 'tcp' | 'udp' | 'icmp' | number | undefined;
  /** Destination ports. The rule is then for TCP and UDP alone. */
  readonly ports?: readonly PortRange[] | undefined;
}

/** The first rule that matches a flow's first packet decides. */
export interface FilterPolicy {
  readonly rules: readonly FilterRule[];
  /**
   * For flows that a client opens and no rule matches. Flows that the office opens need a rule that allows them, always.
   * @default what is pushed to the client, its gateway's address included, and nothing else
   */
  readonly default?: 'allow' | 'deny' | undefined;
}
