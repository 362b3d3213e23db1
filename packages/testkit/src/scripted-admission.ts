/** An Admission that answers as a test tells it, and counts what becomes of every answer. */
import type { CloseReason } from '@culvert/base';
import type { Admission, Admitted, Challenge, Claim, InnerAddress, Link, LinkConfig, Refused } from '@culvert/core';

/** The configuration of the link with this number, every field in use. */
export function sampleConfig(index: number, changes: Partial<LinkConfig> = {}): LinkConfig {
  const host = index + 2;
  const ipv4: InnerAddress = { address: `10.99.${host >> 8}.${host & 0xff}`, prefix: 16, gateway: '10.99.0.1' };
  const ipv6: InnerAddress = { address: `fd99::${host.toString(16)}`, prefix: 64, gateway: 'fd99::1' };
  return {
    ipv4,
    ipv6,
    mtu: 1500,
    routes: ['192.168.77.0/24', 'fd77::/64'],
    redirect: { ipv4: false, ipv6: false },
    dns: { servers: ['192.168.77.53'], search: ['office.example'] },
    networksBehind: [],
    keepalive: { interval: 1_000, timeout: 3_000 },
    idleTimeout: undefined,
    sessionTimeout: undefined,
    ...changes,
  };
}

export class ScriptedAdmission implements Admission {
  readonly claims: Claim[] = [];
  readonly reauthentications: Claim[] = [];
  /** Reasons that `release` was called with, one list for each admitted claim. */
  readonly releases: CloseReason[][] = [];
  /** Signals that the transport gave along. */
  readonly signals: AbortSignal[] = [];
  /** Set to change what comes next. */
  answer: (index: number, claim: Claim) => Promise<Admitted | Challenge | Refused>;
  /** What `reauthenticate` answers when it is not "yes". */
  refuseRekey: Refused | undefined;

  constructor(changes: Partial<LinkConfig> = {}) {
    this.answer = async (index) => this.admitted(index, sampleConfig(index, changes));
  }

  admit(claim: Claim, signal: AbortSignal): Promise<Admitted | Challenge | Refused> {
    this.claims.push(claim);
    this.signals.push(signal);
    return this.answer(this.claims.length - 1, claim);
  }

  async reauthenticate(link: Link, claim: Claim): Promise<Admitted | Refused> {
    this.reauthentications.push(claim);
    if (this.refuseRekey !== undefined) return this.refuseRekey;
    return { kind: 'admitted', principal: link.principal, config: link.config, release: () => {} };
  }

  admitted(index: number, config: LinkConfig): Admitted {
    const reasons: CloseReason[] = [];
    this.releases.push(reasons);
    return {
      kind: 'admitted',
      principal: { user: `user${index}`, groups: ['staff'], certificate: undefined, proofs: ['certificate'] },
      config,
      release: (why) => void reasons.push(why),
    };
  }
}
