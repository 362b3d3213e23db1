/**
 * The control socket's language: one request a connection, a line of JSON each way.
 *
 * Whoever may open the socket (its owner, and root) may do all of it.
 */
import { type GatewayErrorCode, sentences } from './errors.ts';

export type ControlRequest =
  | { readonly command: 'status' }
  | { readonly command: 'sessions' }
  /** Ends one session by its number, or all of a user. */
  | { readonly command: 'end'; readonly id: number }
  | { readonly command: 'end'; readonly user: string }
  | { readonly command: 'reload' }
  /** What happened: of a session, a try, a user or an address; without `which`, of the tries that came to nothing. */
  | { readonly command: 'explain'; readonly which?: string };

export type ControlReply =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly code: GatewayErrorCode; readonly detail: string };

export const maxRequestBytes = 4_096;
/** 65,536 sessions, each with its facts. */
export const maxReplyBytes = 64 * 1024 * 1024;

/** A request from its line; undefined for anything else. */
export function parseRequest(line: string): ControlRequest | undefined {
  const value = parseJson(line) as
    | { command?: unknown; id?: unknown; user?: unknown; which?: unknown }
    | null
    | undefined;
  switch (value?.command) {
    case 'status':
    case 'sessions':
    case 'reload':
      return { command: value.command };
    case 'end':
      if (Number.isSafeInteger(value.id)) return { command: 'end', id: value.id as number };
      return typeof value.user === 'string' ? { command: 'end', user: value.user } : undefined;
    case 'explain':
      if (value.which === undefined) return { command: 'explain' };
      return typeof value.which === 'string' ? { command: 'explain', which: value.which } : undefined;
    default:
      return undefined;
  }
}

/** A reply from its line; undefined for anything else. */
export function parseReply(line: string): ControlReply | undefined {
  const value = parseJson(line) as
    | { ok?: unknown; result?: unknown; code?: unknown; detail?: unknown }
    | null
    | undefined;
  if (value?.ok === true) return { ok: true, result: value.result };
  if (value?.ok !== false || typeof value.code !== 'string' || !(value.code in sentences)) return undefined;
  return { ok: false, code: value.code as GatewayErrorCode, detail: String(value.detail) };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
