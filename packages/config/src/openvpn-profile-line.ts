/**
 * Lines of an OpenVPN configuration: words and quoting (parse_line in openvpn's src/openvpn/options_parse.c).
 *
 * Words are separated by white space. `"..."` may hold `\"` and `\\`; `'...'` is literal; outside of quotes a backslash protects a space,
 * a quote or a backslash. `#` and `;` begin a comment where a word would begin, not inside one.
 */

/** Words longer than this are refused by OpenVPN. */
export const MAX_WORD_BYTES = 255;

export type SplitLine = { readonly words: readonly string[] } | { readonly mistake: string };

/** The words of one line, or what is wrong with it. A comment or an empty line has none. */
export function splitLine(line: string): SplitLine {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line[at])) at++;
    const first = line[at];
    if (first === undefined || first === '#' || first === ';') return { words };
    const word = first === "'" ? literal(line, at) : first === '"' ? quoted(line, at) : bare(line, at);
    if ('mistake' in word) return word;
    if (Buffer.byteLength(word.text) > MAX_WORD_BYTES)
      return { mistake: `a word of more than ${MAX_WORD_BYTES} bytes` };
    words.push(word.text);
    at = word.end;
  }
}

/** `word` as it must stand in a line so that `splitLine` gives it back. Throws RangeError where no spelling does. */
export function quoteWord(word: string): string {
  if (/[\n\r\0]/.test(word)) throw new RangeError('a word of a profile holds no line break and no NUL');
  if (Buffer.byteLength(word) > MAX_WORD_BYTES)
    throw new RangeError(`a word of a profile has at most ${MAX_WORD_BYTES} bytes`);
  if (/^[^\s"'\\#;][^\s"'\\]*$/.test(word)) return word;
  return `"${word.replace(/["\\]/g, '\\$&')}"`;
}

type Word = { readonly text: string; readonly end: number } | { readonly mistake: string };

function literal(line: string, start: number): Word {
  const end = line.indexOf("'", start + 1);
  return end < 0 ? { mistake: "no closing quotation mark (')" } : { text: line.slice(start + 1, end), end: end + 1 };
}

function quoted(line: string, start: number): Word {
  let text = '';
  for (let at = start + 1; at < line.length; at++) {
    if (line[at] === '"') return { text, end: at + 1 };
    if (line[at] === '\\' && !isEscapable(line[++at])) return { mistake: 'a backslash that protects nothing' };
    text += line[at];
  }
  return { mistake: 'no closing quotation mark (")' };
}

function bare(line: string, start: number): Word {
  let text = '';
  let at = start;
  for (; at < line.length && !isSpace(line[at]); at++) {
    if (line[at] === '\\' && !isEscapable(line[++at])) return { mistake: 'a backslash that protects nothing' };
    text += line[at];
  }
  return { text, end: at };
}

/** C's isspace; NUL ends a line for OpenVPN, and is a space here. */
function isSpace(char: string | undefined): boolean {
  return char !== undefined && ' \t\n\v\f\r\0'.includes(char);
}

function isEscapable(char: string | undefined): boolean {
  return char === '\\' || char === '"' || isSpace(char);
}
