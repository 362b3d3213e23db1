import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_CORE_ADDRESS_TAKEN: 'an inner address or network belongs to another link already',
  CULVERT_CORE_ADDRESS: 'a link has an inner address or network that cannot be used',
  CULVERT_CORE_POOL: 'the address pool cannot be made as configured',
  CULVERT_CORE_FILTER: 'a filter rule is wrong',
} as const;

/** The caller's fault: a link, pool or filter that cannot be as asked. Bad packets are never errors but counts. */
export class CoreError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'CoreError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
