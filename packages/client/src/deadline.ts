/** A dial that is not over in time is stopped, as a name that leads nowhere keeps TCP trying for minutes. */
import type { Logger, Millis } from '@culvert/base';
import type { Link, Transport } from '@culvert/core';
import { TransportError } from '@culvert/transport';
import { dialError } from './dial-error.ts';
import { ClientError } from './errors.ts';
import type { DialHandlers } from './profile.ts';

/**
 * Throws ClientError as a dialer does, or what is no fault of the server's: NetioError, TlsError.
 *
 * @param hint follows where nobody answered
 */
export async function dialInTime<DialOptions>(
  transport: Transport<unknown, DialOptions>,
  to: DialOptions & { readonly handshakeWindow: Millis },
  on: DialHandlers,
  { log, hint }: { readonly log: Logger; readonly hint: string },
): Promise<Link> {
  const late = AbortSignal.timeout(to.handshakeWindow);
  try {
    const signal = AbortSignal.any([on.signal, late]);
    return await transport.dial(to, { onEvent: on.onEvent, log, signal });
  } catch (cause) {
    if (!(cause instanceof TransportError)) throw cause;
    if (!late.aborted) throw dialError(cause, hint);
    throw new ClientError('CULVERT_CLIENT_NO_LINK', `no link in ${to.handshakeWindow / 1_000} s${hint}`, { cause });
  }
}
