/** A YAML text that can say where each of its values stands. */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';

export type KeyPath = readonly PropertyKey[];

export interface YamlSource {
  /** Plain values. A key without a value counts as absent. */
  readonly value: unknown;
  /** What is wrong with the text as YAML. The value may still hold what could be read. */
  readonly mistakes: readonly { readonly line: number; readonly message: string }[];
  /** Line of the value at `path`; of its key with `ofKey`; of the nearest value above it when it is absent. */
  lineOf(path: KeyPath, ofKey?: boolean): number;
}

export function parseYamlSource(text: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const line = (offset: number | undefined) => (offset === undefined ? 1 : Math.max(1, lines.linePos(offset).line));
  return {
    value: document.errors.length > 0 ? undefined : withoutNulls(document.toJS({ maxAliasCount: 100 })),
    mistakes: document.errors.map((error) => ({ line: line(error.pos[0]), message: firstLine(error.message) })),
    lineOf: (path, ofKey = false) => line(offsetOf(document.contents, path, ofKey)),
  };
}

function offsetOf(root: unknown, path: KeyPath, ofKey: boolean): number | undefined {
  let node = root;
  let offset = (root as Node | null)?.range?.[0];
  for (const [depth, key] of path.entries()) {
    const pair = isMap(node) ? pairOf(node, key) : undefined;
    const next = isMap(node) ? pair?.value : isSeq(node) ? node.items[Number(key)] : undefined;
    const keyOffset = (pair?.key as Node | undefined)?.range?.[0];
    const last = depth === path.length - 1;
    const valueOffset = (next as Node | null | undefined)?.range?.[0];
    const found = (ofKey && last) || !isScalar(next) ? (keyOffset ?? valueOffset) : (valueOffset ?? keyOffset);
    if (found === undefined) break;
    offset = found;
    node = next;
  }
  return offset;
}

function pairOf(map: YAMLMap, key: PropertyKey): Pair | undefined {
  return map.items.find((pair) => String(isScalar(pair.key) ? pair.key.value : pair.key) === String(key));
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null)
      .map(([key, entry]) => [key, withoutNulls(entry)]),
  );
}

function firstLine(message: string): string {
  return message.split('\n')[0] ?? message;
}
