/**
 * Commands over the control channel after the keys: NUL-terminated text (openvpn forward.c parse_incoming_control_channel_command).
 */
import { decodeText, sanitize } from './text.ts';

export type ControlMessage =
  | { readonly kind: 'push-request' }
  /** The whole text, for PushAssembly. */
  | { readonly kind: 'push-reply'; readonly text: string }
  | {
      readonly kind: 'auth-failed';
      readonly reason: string;
      readonly temporary: boolean;
      readonly sessionExpired: boolean;
    }
  /** A login goes on elsewhere (web, one-time code); undefined: no new deadline. */
  | { readonly kind: 'auth-pending'; readonly timeoutSeconds: number | undefined }
  | { readonly kind: 'restart' | 'halt'; readonly reason: string }
  | { readonly kind: 'exit' }
  | { readonly kind: 'info'; readonly text: string }
  | { readonly kind: 'unknown'; readonly text: string };

/** Commands that one record can hold; more are ignored. */
const MOST_COMMANDS = 16;

/** The commands in one TLS record. */
export function decodeControlMessages(record: Uint8Array): ControlMessage[] {
  const texts = decodeText(record).split('\0');
  return texts
    .map(withoutLineEnd)
    .filter((text) => text !== '')
    .slice(0, MOST_COMMANDS)
    .map(decodeControlMessage);
}

/** Without line ends behind it. Not by a pattern: one that looks for the end tries every line end of a hostile record, in square time. */
function withoutLineEnd(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === '\n' || text[end - 1] === '\r')) end--;
  return text.slice(0, end);
}

function decodeControlMessage(text: string): ControlMessage {
  const comma = text.indexOf(',');
  const name = comma < 0 ? text : text.slice(0, comma);
  const rest = comma < 0 ? '' : text.slice(comma + 1);
  switch (name) {
    case 'PUSH_REQUEST':
      return { kind: 'push-request' };
    case 'PUSH_REPLY':
      return { kind: 'push-reply', text };
    case 'AUTH_FAILED':
      return decodeAuthFailed(rest);
    case 'AUTH_PENDING':
      return { kind: 'auth-pending', timeoutSeconds: pendingTimeout(rest) };
    case 'RESTART':
      return { kind: 'restart', reason: withoutFlags(rest) };
    case 'HALT':
      return { kind: 'halt', reason: withoutFlags(rest) };
    case 'EXIT':
      return { kind: 'exit' };
    case 'INFO':
    case 'INFO_PRE':
      return { kind: 'info', text: sanitize(rest) };
    default:
      return { kind: 'unknown', text: sanitize(text, 80) };
  }
}

/** `reason`, `SESSION: reason`, `TEMP[backoff 42,advance addr]: reason`, `CRV1:flags:state:user:text`. */
function decodeAuthFailed(rest: string): ControlMessage {
  const temp = /^TEMP(?:\[[^\]]*\])?:?(.*)$/s.exec(rest);
  if (temp !== null)
    return { kind: 'auth-failed', reason: sanitize(temp[1] ?? ''), temporary: true, sessionExpired: false };
  const session = /^SESSION:(.*)$/s.exec(rest);
  if (session !== null)
    return { kind: 'auth-failed', reason: sanitize(session[1] ?? ''), temporary: false, sessionExpired: true };
  const challenge = /^CRV1:[^:]*:[^:]*:[^:]*:(.*)$/s.exec(rest);
  const reason = challenge === null ? sanitize(rest) : `the server asks: ${sanitize(challenge[1] ?? '')}`;
  return { kind: 'auth-failed', reason, temporary: false, sessionExpired: false };
}

function pendingTimeout(rest: string): number | undefined {
  const match = /(?:^|,)timeout (\d{1,6})(?:,|$)/.exec(rest);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** `[P]message`, `[N,...]message`. */
function withoutFlags(rest: string): string {
  return sanitize(rest.replace(/^\[[^\]]*\]/, ''));
}
