/** `.ovpn` text to a profile: lines, blocks and what the directives add up to. All mistakes are reported at once. */
import { emptyOpenvpnProfile, type OpenvpnProfile, type ProfileFile } from './openvpn-profile.ts';
import { handlers } from './openvpn-profile-directives.ts';
import { splitLine } from './openvpn-profile-line.ts';
import { harmless, hooks, notApplied, unsupported } from './openvpn-profile-lists.ts';
import { type Directive, type Draft, show } from './openvpn-profile-values.ts';
import type { Problem } from './problem.ts';

export interface ParsedProfile {
  /** Fit for use unless a problem is an error. */
  readonly profile: OpenvpnProfile;
  readonly problems: readonly Problem[];
}

/** Real profiles with every key inline have some 20 KiB. */
const MAX_TEXT_BYTES = 1 << 20;
/** More than anyone reads. */
const MAX_PROBLEMS = 200;

/**
 * Parses an OpenVPN client profile. Never throws for what the text holds.
 *
 * @param options.file its name, for problems
 */
export function parseOpenvpnProfile(text: string, options: { readonly file: string }): ParsedProfile {
  const parser = new Parser(options.file);
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    parser.report('error', { line: 1, key: 'profile', found: `${text.length} characters`, expected: 'at most 1 MiB' });
    return parser.finish();
  }
  parser.walk(text.replace(/^\uFEFF/, '').split(/\r?\n/), 1, false);
  return parser.finish();
}

/** Settings of one `<connection>` that hold for the whole profile here. */
const hoisted = new Set([
  'explicit-exit-notify',
  'connect-timeout',
  'server-poll-timeout',
  'connect-retry',
  'connect-retry-max',
  'float',
  'mssfix',
  'tun-mtu',
]);

const inlineBlocks = new Set([
  'auth-user-pass',
  'ca',
  'cert',
  'connection',
  'crl-verify',
  'dh',
  'extra-certs',
  'http-proxy-user-pass',
  'key',
  'peer-fingerprint',
  'pkcs12',
  'secret',
  'tls-auth',
  'tls-crypt',
  'tls-crypt-v2',
  'verify-hash',
]);

/** The line of `</tag>` at or behind `from`. */
function endOfBlock(lines: readonly string[], from: number, tag: string): number | undefined {
  for (let at = from; at < lines.length; at++) if (lines[at]?.trimStart().startsWith(`</${tag}>`)) return at;
  return undefined;
}

class Parser {
  readonly #file: string;
  readonly #problems: Problem[] = [];
  readonly #draft: Draft = {
    profile: emptyOpenvpnProfile(),
    remotes: [],
    port: undefined,
    transport: undefined,
    keyDirection: undefined,
    dnsServers: [],
  };
  readonly #seen = new Set<string>();
  readonly #tolerated = new Set<string>();
  /** Remotes that stand outside of `<connection>` blocks; OpenVPN leaves them out when there are blocks. */
  #blocks = 0;
  #lastLine = 1;

  constructor(file: string) {
    this.#file = file;
  }

  report(severity: Problem['severity'], where: Omit<Problem, 'file' | 'severity'>): void {
    const { length } = this.#problems;
    if (length < MAX_PROBLEMS) this.#problems.push({ file: this.#file, ...where, severity });
    else if (length === MAX_PROBLEMS) {
      const more = { key: 'profile', found: `more than ${MAX_PROBLEMS} mistakes`, expected: 'an OpenVPN profile' };
      this.#problems.push({ file: this.#file, line: where.line, ...more, severity: 'error' });
    }
  }

  /** Takes `lines`, the first of which has number `first`. */
  walk(lines: readonly string[], first: number, inConnection: boolean): void {
    for (let i = 0; i < lines.length; i++) {
      const line = first + i;
      this.#lastLine = Math.max(this.#lastLine, line);
      const split = splitLine(lines[i] ?? '');
      if ('mistake' in split) {
        this.report('error', {
          line,
          key: (lines[i] ?? '').trim().split(/\s/)[0] ?? '',
          found: split.mistake,
          expected: 'words as OpenVPN quotes them',
        });
        continue;
      }
      const [word, ...args] = split.words;
      if (word === undefined) continue;
      const tag = args.length === 0 ? /^<([\w-]+)>$/.exec(word)?.[1] : undefined;
      if (tag === undefined) {
        this.#directive(line, word.replace(/^--(?=.)/, ''), args, undefined, inConnection);
        continue;
      }
      const end = endOfBlock(lines, i + 1, tag);
      if (end === undefined) {
        this.report('error', { line, key: tag, found: 'a block that does not end', expected: `</${tag}>` });
        return;
      }
      this.#block(line, tag, lines.slice(i + 1, end), inConnection);
      i = end;
    }
  }

  #block(line: number, tag: string, content: readonly string[], inConnection: boolean): void {
    if (tag === 'connection' && !inConnection) this.#connection(line, content);
    else if (!inlineBlocks.has(tag) || tag === 'connection') {
      if (!this.#tolerated.has(tag))
        this.report('warning', {
          line,
          key: tag,
          found: 'an unknown block',
          expected: 'a block that OpenVPN knows; it is left out',
        });
    } else this.#directive(line, tag, [], content.map((text) => `${text}\n`).join(''), inConnection);
  }

  #connection(line: number, content: readonly string[]): void {
    const { remotes, port, transport } = this.#draft;
    if (this.#blocks === 0 && remotes.length > 0) {
      this.report('warning', {
        line,
        key: 'connection',
        found: 'remote lines outside of it',
        expected: 'either; the blocks alone are used',
      });
      remotes.length = 0;
    }
    this.#blocks++;
    const before = remotes.length;
    this.#draft.port = undefined;
    this.#draft.transport = undefined;
    this.walk(content, line + 1, true);
    for (const remote of remotes.slice(before)) {
      remote.port ??= this.#draft.port;
      remote.transport ??= this.#draft.transport;
    }
    if (remotes.length === before)
      this.report('error', { line, key: 'connection', found: 'no remote', expected: 'one remote a block' });
    this.#draft.port = port;
    this.#draft.transport = transport;
  }

  #directive(
    line: number,
    key: string,
    args: readonly string[],
    inline: string | undefined,
    inConnection: boolean,
  ): void {
    if (key === 'ignore-unknown-option') for (const name of args) this.#tolerated.add(name);
    else if (key === 'setenv' && args[0] === 'opt' && args[1] !== undefined) {
      this.#tolerated.add(args[1]);
      this.#directive(line, args[1], args.slice(2), inline, inConnection);
    } else if (inConnection && !this.#allowedInConnection(line, key)) return;
    else if (key === 'remote' && !inConnection && this.#blocks > 0) {
      this.report('warning', {
        line,
        key,
        found: 'a remote outside of the <connection> blocks',
        expected: 'either; the blocks alone are used',
      });
    } else this.#apply(line, key, args, inline);
  }

  #allowedInConnection(line: number, key: string): boolean {
    if (['remote', 'port', 'rport', 'proto'].includes(key) || harmless.has(key)) return true;
    if (Object.hasOwn(unsupported, key)) return true;
    if (hoisted.has(key)) {
      this.report('warning', {
        line,
        key,
        found: 'a setting of one connection',
        expected: 'it outside of <connection>; it is used for all of them',
      });
      return true;
    }
    const severity = ['tls-auth', 'tls-crypt', 'tls-crypt-v2', 'key-direction'].includes(key) ? 'error' : 'warning';
    this.report(severity, {
      line,
      key,
      found: 'a setting of one connection',
      expected: 'it outside of <connection>; it is left out',
    });
    return false;
  }

  #apply(line: number, key: string, args: readonly string[], inline: string | undefined): void {
    const report = (severity: Problem['severity']) => (found: string, expected: string) =>
      this.report(severity, { line, key, found, expected });
    this.#seen.add(key);
    const handler = Object.hasOwn(handlers, key) ? handlers[key] : undefined;
    if (handler !== undefined) {
      const [error, warning] = [report('error'), report('warning')];
      const directive: Directive = {
        draft: this.#draft,
        key,
        args,
        inline,
        error: (found, expected) => void error(found, expected),
        warning: (found, expected) => void warning(found, expected),
      };
      handler(directive);
    } else if (harmless.has(key) || this.#tolerated.has(key)) return;
    else if (hooks.has(key)) report('warning')(show(args[0]), 'no program: nothing that a profile names is ever run');
    else if (Object.hasOwn(unsupported, key)) report('error')(show(args[0]), unsupported[key] ?? '');
    else if (Object.hasOwn(notApplied, key)) report('warning')(show(args[0]), notApplied[key] ?? '');
    else report('warning')(show([key, ...args].join(' ')), 'a directive that OpenVPN knows; it is left out');
  }

  finish(): ParsedProfile {
    const { profile, remotes, keyDirection, dnsServers } = this.#draft;
    profile.remotes = remotes.map((remote) => {
      const { protocol, family } = remote.transport ?? this.#draft.transport ?? { protocol: 'udp', family: undefined };
      return { host: remote.host, port: remote.port ?? this.#draft.port ?? 1194, protocol, family };
    });
    if (profile.wrap.kind === 'tls-auth')
      profile.wrap = { ...profile.wrap, direction: profile.wrap.direction ?? keyDirection };
    const ordered = dnsServers.toSorted((a, b) => a.priority - b.priority).flatMap((server) => server.addresses);
    const servers = [...new Set([...ordered, ...profile.dns.servers])];
    profile.dns = { servers, search: [...new Set(profile.dns.search)] };
    if (!this.#problems.some((problem) => problem.key === 'profile')) this.#checkWhole(profile);
    return { profile, problems: this.#problems.toSorted((a, b) => a.line - b.line) };
  }

  #checkWhole(profile: OpenvpnProfile): void {
    const missing = (severity: Problem['severity'], key: string, expected: string) => {
      const failed = this.#problems.some((problem) => problem.key === key && problem.severity === 'error');
      if (!failed) this.report(severity, { line: this.#lastLine, key, found: 'nothing', expected });
    };
    if (profile.remotes.length === 0) missing('error', 'remote', 'remote HOST PORT');
    if (!this.#seen.has('client') && !(this.#seen.has('tls-client') && this.#seen.has('pull'))) {
      missing('warning', 'client', 'client; it is taken as said');
    }
    const trust: readonly (ProfileFile | undefined)[] = [profile.ca, profile.pkcs12];
    if (trust.every((file) => file === undefined) && profile.peerFingerprints.length === 0) {
      missing('error', 'ca', "the certificate of the CA that issued the server's");
    }
    if ((profile.certificate === undefined) !== (profile.privateKey === undefined)) {
      if (profile.certificate === undefined) missing('error', 'cert', 'the certificate that belongs to key');
      else missing('error', 'key', 'the private key that belongs to cert');
    }
    if (profile.certificate === undefined && profile.pkcs12 === undefined && profile.credentials === undefined) {
      missing('error', 'auth-user-pass', 'a certificate (cert and key, or pkcs12) or auth-user-pass');
    }
    if (
      profile.remoteCertTls === undefined &&
      profile.serverName === undefined &&
      profile.peerFingerprints.length === 0
    ) {
      missing(
        'warning',
        'remote-cert-tls',
        'remote-cert-tls server, so that no other client of the CA can pose as the server',
      );
    }
  }
}
