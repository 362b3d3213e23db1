/** Key exchanges, looked up where they were made before: they are a function of what goes in, and the dearest part of a visit. */
import { exchangeKeys, type IkeWork, type IkeWorkResult } from '@culvert/ipsec';

type Request = Extract<IkeWork, { kind: 'key-exchange' }>['request'];

const MOST = 20_000;
const known = new Map<string, IkeWorkResult>();

export function exchanged(request: Request): ReturnType<typeof exchangeKeys> {
  const { group, seed, peerValue } = request;
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  const key = `${group} ${text(seed)} ${peerValue === undefined ? 'alone' : text(peerValue)}.`;
  const found = known.get(key);
  if (found !== undefined) return found as ReturnType<typeof exchangeKeys>;
  const result = exchangeKeys(request);
  if (known.size >= MOST) known.clear();
  if (result !== undefined) known.set(key, result);
  return result;
}
