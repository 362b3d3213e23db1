import { CulvertError } from '@culvert/base';

const sentences = {
  CULVERT_TESTKIT_REFUSED: 'the listener refused',
  CULVERT_TESTKIT_UNREACHABLE: 'nothing answers in this memory network',
  CULVERT_TESTKIT_ABORTED: 'the caller gave up',
} as const;

export class TestkitError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'TestkitError';
  constructor(code: keyof typeof sentences, detail?: string) {
    super(sentences, code, detail);
  }
}
