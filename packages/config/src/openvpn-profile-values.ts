/** What handlers of directives work with: the profile in the making, the directive, and how its values are read. */
import type { OpenvpnProfile, OpenvpnRemote, ProfileFile } from './openvpn-profile.ts';

/** A remote as written; what it leaves out is filled in when the whole profile has been read. */
export interface DraftRemote {
  readonly host: string;
  port: number | undefined;
  transport: Pick<OpenvpnRemote, 'protocol' | 'family'> | undefined;
}

/** A profile in the making, and what only matters until it is made. */
export interface Draft {
  readonly profile: { -readonly [Field in keyof OpenvpnProfile]: OpenvpnProfile[Field] };
  readonly remotes: DraftRemote[];
  port: number | undefined;
  transport: DraftRemote['transport'];
  keyDirection: 0 | 1 | undefined;
  readonly dnsServers: { readonly priority: number; readonly addresses: string[] }[];
}

/** One directive, where it stands, and how to complain about it. */
export interface Directive {
  readonly draft: Draft;
  readonly key: string;
  readonly args: readonly string[];
  /** The content of `<key>...</key>`. */
  readonly inline: string | undefined;
  /** Report a value that is not understood. Returns undefined, so that a handler can `return error(...)`. */
  error(found: string, expected: string): undefined;
  warning(found: string, expected: string): undefined;
}

export type Handler = (d: Directive) => undefined;

/** Bound on lists, so that a hostile profile costs little. */
export const MAX_LIST = 256;

export function show(found: string | undefined): string {
  return found === undefined || found === ''
    ? 'nothing'
    : JSON.stringify(found.length > 80 ? `${found.slice(0, 80)}...` : found);
}

export function takeFile(d: Directive): ProfileFile | undefined {
  if (d.inline !== undefined) {
    if (d.inline.trim() === '') return d.error('an empty block', 'the content of the file');
    return { kind: 'inline', text: d.inline };
  }
  const path = d.args[0];
  if (path === undefined || path === '') return d.error('nothing', `a file, or a <${d.key}> block`);
  // The old way to announce a block that follows.
  return path === '[inline]' ? undefined : { kind: 'file', path };
}

export function setWrap(d: Directive, wrap: OpenvpnProfile['wrap']): undefined {
  const { kind } = d.draft.profile.wrap;
  if (kind !== 'none' && kind !== wrap.kind)
    return d.error(wrap.kind, `one of tls-auth, tls-crypt and tls-crypt-v2; ${kind} is there`);
  d.draft.profile.wrap = wrap;
}

/** A name is left to the resolver to judge; here it must not break lines, commands or the profile's syntax. */
export function isHost(text: string): boolean {
  return /^[A-Za-z0-9_.:%-]{1,253}$/.test(text) && !text.startsWith('-');
}

export function parsePort(d: Directive, text: string | undefined): number | undefined {
  return parseCount(d, text, 1, 65_535, 'a port');
}

export function parseProto(d: Directive, text: string | undefined): DraftRemote['transport'] {
  const match = /^(udp|tcp)([46]?)(-client)?$/.exec(text ?? '');
  if (match === null || (match[1] === 'udp' && match[3] !== undefined))
    return d.error(show(text), 'udp or tcp, with 4, 6 or -client behind');
  return { protocol: match[1] as 'udp' | 'tcp', family: match[2] === '4' ? 4 : match[2] === '6' ? 6 : undefined };
}

export function parseDirection(d: Directive, text: string | undefined): 0 | 1 | undefined {
  if (text === '0' || text === '1') return text === '0' ? 0 : 1;
  return d.error(show(text), '0 or 1');
}

export function parseCount(
  d: Directive,
  text: string | undefined,
  low: number,
  high: number,
  what = 'a number',
): number | undefined {
  const value = Number(text);
  if (text !== undefined && /^\d{1,10}$/.test(text) && value >= low && value <= high) return value;
  return d.error(show(text), `${what} from ${low} to ${high}`);
}

export function append<Item>(d: Directive, list: Item[], item: Item, limit: number): undefined {
  if (list.length < limit) list.push(item);
  else d.error('one more', `at most ${limit} of them`);
}

export function appended<Item>(d: Directive, list: readonly Item[], item: Item, limit: number): readonly Item[] {
  if (list.length < limit) return [...list, item];
  d.error('one more', `at most ${limit} of them`);
  return list;
}
