/** What a listener gives to its user: it ends once, with the first reason, and with its signal. */
import type { CloseReason } from '@culvert/base';
import type { Listener, ListeningEndpoint } from '@culvert/core';

export function listenerOf(options: {
  readonly endpoints: readonly ListeningEndpoint[];
  readonly signal: AbortSignal;
  stats(): Readonly<Record<string, number>>;
  /** Called once. */
  close(why: CloseReason): Promise<void>;
}): Listener {
  const { endpoints, signal } = options;
  let closing: Promise<void> | undefined;
  const close = (why: CloseReason): Promise<void> => {
    closing ??= options.close(why);
    return closing;
  };
  const stop = (): void => void close({ cause: 'shutdown', detail: 'the gateway stops' });
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return {
    endpoints,
    get stats() {
      return options.stats();
    },
    close,
  };
}
