import { type CloseReason, CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_TRANSPORT_REFUSED: 'the peer refused us',
  CULVERT_TRANSPORT_UNREACHABLE: 'no link could be made',
  CULVERT_TRANSPORT_PROTOCOL: 'the handshake failed',
  CULVERT_TRANSPORT_STOPPED: 'stopped before the link was up',
  CULVERT_TRANSPORT_LISTEN: 'cannot listen',
  CULVERT_TRANSPORT_ADDRESS: 'the transport does not work over such addresses',
} as const;

/** A link that did not come up, or a listener that did not. `reason` has the cause as a word where a session ended. */
export class TransportError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'TransportError';
  readonly reason: CloseReason | undefined;

  constructor(
    code: keyof typeof sentences,
    detail?: string,
    options?: ErrorOptions & { readonly reason?: CloseReason },
  ) {
    super(sentences, code, detail, options);
    this.reason = options?.reason;
  }
}

/** Why a session that never came up ended, as an error. */
export function errorOf(reason: CloseReason): TransportError {
  const code =
    reason.cause === 'refused'
      ? 'CULVERT_TRANSPORT_REFUSED'
      : reason.cause === 'protocol'
        ? 'CULVERT_TRANSPORT_PROTOCOL'
        : reason.cause === 'operator' || reason.cause === 'shutdown'
          ? 'CULVERT_TRANSPORT_STOPPED'
          : 'CULVERT_TRANSPORT_UNREACHABLE';
  return new TransportError(code, reason.detail, { reason });
}
