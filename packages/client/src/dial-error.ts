/** From a transport's failures to ours. */
import { CulvertError } from '@culvert/base';
import { ClientError } from './errors.ts';

/** What a dialer throws for `cause`. `hint` follows where nobody answered. */
export function dialError(cause: unknown, hint = ''): ClientError {
  const refused = cause instanceof CulvertError && cause.code === 'CULVERT_TRANSPORT_REFUSED';
  if (refused) return new ClientError('CULVERT_CLIENT_REFUSED', detailOf(cause));
  return new ClientError('CULVERT_CLIENT_NO_LINK', `${detailOf(cause)}${hint}`, { cause });
}

/** The part of a message behind its sentence, which says the same as ours. */
function detailOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof CulvertError ? message.slice(message.indexOf(': ') + 1).trim() : message;
}
