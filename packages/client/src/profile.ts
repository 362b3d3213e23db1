/**
 * A profile as the client sees it, whichever protocol it is for.
 *
 * A kind of profile is one file (`openvpn/kind.ts`) that turns text into a `ClientProfile`; `kinds.ts` has all of them. Store,
 * candidates, tunnel and commands know these interfaces alone.
 */
import type { Logger, Millis } from '@culvert/base';
import type { ParsedProfileOf, ProfileRoute } from '@culvert/config';
import type { Link, LinkConfig, TransportEvent } from '@culvert/core';

/** Named as the transports are. */
export type KindName = 'openvpn' | 'pptp' | 'l2tp-ipsec';

export interface ProfileKind {
  /** Of the files in the store: `.ovpn`. */
  readonly suffix: string;
  /** Whether a text is marked as one of this kind. */
  recognizes(text: string): boolean;
  /** Never throws for what the text holds. */
  parse(text: string, options: { readonly file: string }): ParsedProfileOf<ClientProfile>;
}

export interface ClientProfile {
  readonly kind: KindName;
  /** In order of preference, at least one. */
  readonly remotes: readonly Remote[];
  readonly remoteRandom: boolean;
  /** A device name that the profile insists on. */
  readonly deviceName: string | undefined;
  readonly retry: Retry;
  readonly needs: SecretNeeds;
  /** What the profile wants beside what the server tells. */
  readonly network: ProfileNetwork;
  /** What whoever uses the profile must know and take; undefined: nothing. */
  readonly insecurity: { /** A sentence. */ readonly why: string; readonly accepted: boolean } | undefined;
  /** The same profile, with its insecurity accepted. */
  accept(): ClientProfile;
  /** What of the server's configuration is taken. Throws ClientError CULVERT_CLIENT_PUSHED where the profile rejects it. */
  filterPushed(pushed: LinkConfig): LinkConfig;
  /** The same profile with the files that it names inside; files with passwords stay where they are. */
  inline(files: ProfileFiles): Promise<ClientProfile>;
  /** As the store keeps it: `parse` of the text gives the profile back. */
  print(): string;
  /** Throws ClientError CULVERT_CLIENT_PROFILE, ConfigError or TlsError, for a profile that makes no session. */
  createDialer(options: { readonly secrets: Secrets; readonly log: Logger }): Dialer;
}

export interface Remote {
  /** A name or an IP literal (IPv6 without brackets). */
  readonly host: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  /** Only addresses of this IP version; undefined: both. */
  readonly family: 4 | 6 | undefined;
}

/** What is undefined is the client's to choose. */
export interface Retry {
  /** For one server. */
  readonly timeout: Millis | undefined;
  /** The first and the longest wait between rounds over all servers. */
  readonly first: Millis | undefined;
  readonly most: Millis | undefined;
  /** Rounds without success before it ends. */
  readonly rounds: number | undefined;
}

/** Which secrets a session takes, and where the profile says that they are; what it does not say is asked for. */
export interface SecretNeeds {
  /** Undefined: no password is needed. */
  readonly credentials:
    | {
        readonly username: string | undefined;
        readonly password: string | undefined;
        /** Two lines. */
        readonly file: string | undefined;
      }
    | undefined;
  /** A question beside the password's. */
  readonly challenge: { readonly text: string; readonly echo: boolean } | undefined;
  /** Of the private key. `file` has it in its first line. */
  readonly passphrase: { readonly file: string | undefined } | undefined;
  /** Of the two machines. */
  readonly presharedKey: boolean;
}

export interface Secrets {
  readonly credentials: Credentials | undefined;
  /** Of the private key. */
  readonly passphrase: string | undefined;
  readonly presharedKey: string | undefined;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface ProfileNetwork {
  readonly routes: readonly ProfileRoute[];
  readonly redirect: { readonly ipv4: boolean; readonly ipv6: boolean };
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] };
  /** No IPv6, neither through the tunnel nor past it. */
  readonly blockIpv6: boolean;
  /** The MTU that the server tells is all that it takes, and nothing below cuts what is larger. @default false: it is advice */
  readonly mtuIsLimit?: boolean;
}

/** Files that a profile names, by their paths in it. Throws ClientError CULVERT_CLIENT_PROFILE for what cannot be read. */
export interface ProfileFiles {
  text(path: string): Promise<string>;
  bytes(path: string): Promise<Uint8Array>;
  /** A path that means the same from everywhere. */
  absolute(path: string): string;
  /** What opens a file, asked for on the terminal. */
  secret(question: string): Promise<string>;
}

/** One address of one remote. */
export interface Candidate {
  /** As the profile has it. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
}

export interface Dialer {
  /**
   * Throws ClientError: CULVERT_CLIENT_REFUSED when the server does not let us in, CULVERT_CLIENT_UNTRUSTED when it is not the one
   * that the profile names, else CULVERT_CLIENT_NO_LINK.
   */
  dial(candidate: Candidate, on: DialHandlers): Promise<Link>;
  close(): void;
}

export interface DialHandlers {
  onEvent(event: TransportEvent): void;
  readonly signal: AbortSignal;
  /** Give up after so long. */
  readonly timeout: Millis;
  /** What the device takes joined: bits of cipher's `Join`. @default 0 */
  readonly join?: number | undefined;
  /** Whether the socket sends and takes datagrams in trains. @default where the kernel has it */
  readonly trains?: boolean | undefined;
}
