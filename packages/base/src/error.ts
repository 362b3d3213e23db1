/**
 * An error with a stable code from its package's table (`src/errors.ts`): programs branch on `code`, people read the sentence,
 * `cause` keeps the system's own error.
 *
 * A package derives its class: `class TunError extends CulvertError<keyof typeof sentences>`.
 */
export class CulvertError<Code extends string = string> extends Error {
  override readonly name: string = 'CulvertError';
  readonly code: Code;

  constructor(sentences: Readonly<Record<Code, string>>, code: Code, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? sentences[code] : `${sentences[code]}: ${detail}`, options);
    this.code = code;
  }
}
