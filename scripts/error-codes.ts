/**
 * The error codes of all packages, and docs/errors.md which explains them.
 *
 * `scripts/node scripts/error-codes.ts` writes the document anew: sentences come from the code, "what to do" stays as it was written,
 * and a new code gets an empty place for it, which test/errors.test.ts refuses until someone has filled it.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const DOCUMENT = `${root}docs/errors.md`;

const opening = `# Error codes

Every error that Culvert reports carries a code that stays the same from release to release: scripts branch on the code, people read the
sentence, and the text after the colon names the file, address or user that is meant. \`CULVERT_DEBUG=1\` adds the stack.
`;

export interface ErrorCode {
  readonly code: string;
  readonly sentence: string;
}

export interface ErrorEntry extends ErrorCode {
  readonly whatToDo: string;
}

/** The tables of all packages, by package. The kit for tests reports to developers, who read the code. */
export async function errorCodes(): Promise<Map<string, ErrorCode[]>> {
  const tables = new Map<string, ErrorCode[]>();
  for (const file of globSync('packages/*/src/errors.ts', { cwd: root }).sort()) {
    const name = file.split('/')[1] ?? '';
    if (name === 'testkit') continue;
    const { sentences = {} } = (await import(`${root}${file}`)) as { sentences?: Record<string, string> };
    tables.set(
      name,
      Object.entries(sentences).map(([code, sentence]) => ({ code, sentence })),
    );
  }
  return tables;
}

/** What docs/errors.md says: rows of `| code | sentence | what to do |`. */
export function documentedErrors(): ErrorEntry[] {
  const rows = readDocument().matchAll(/^\| `(CULVERT_\w+)` \| (.*?) \| (.*?) ?\|$/gm);
  return [...rows].map(([, code = '', sentence = '', whatToDo = '']) => ({
    code,
    sentence,
    whatToDo: whatToDo.trim(),
  }));
}

function readDocument(): string {
  try {
    return readFileSync(DOCUMENT, 'utf8');
  } catch {
    return '';
  }
}

async function writeDocument(): Promise<void> {
  const known = new Map(documentedErrors().map((entry) => [entry.code, entry.whatToDo]));
  const sections = [...(await errorCodes())].map(([name, codes]) => {
    const rows = codes.map(({ code, sentence }) => `| \`${code}\` | ${sentence} | ${known.get(code) ?? ''} |`);
    return `\n## ${name}\n\n| code | meaning | what to do |\n|---|---|---|\n${rows.join('\n')}\n`;
  });
  writeFileSync(DOCUMENT, opening + sections.join(''));
}

if (import.meta.main) await writeDocument();
