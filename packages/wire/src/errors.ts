import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_WIRE_TRUNCATED: 'message ends before the length it declares',
  CULVERT_WIRE_LENGTH: 'length field is impossible',
  CULVERT_WIRE_VALUE: 'field has a value that its definition does not allow',
  CULVERT_WIRE_ADDRESS: 'not an IP address or network',
} as const;

/** The peer's fault, or the writer's of a text: caught once where the bytes enter. */
export class WireError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'WireError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
