/** Which ways of computing AES-GCM the binary has on this machine. It takes the fastest one by itself. */
import { type Native, nativeOr } from './native.ts';

/** How the binary is told which engine is wanted; those of `enginesOf` have numbers of their own. */
export const Engine = { best: 0, openssl: 1 } as const;

const FIRST = 2;

export interface GcmEngine {
  readonly number: number;
  readonly name: string;
  /** Whether it passed the self-test that it went through when the binary was first used. */
  readonly isRight: boolean;
}

/** Those that this processor has, the fastest first. */
export function enginesOf(native: Native): readonly GcmEngine[] {
  const list = native.aesGcmEngines();
  const engines = Array.from({ length: list.length / 2 }, (_, i) => ({
    number: FIRST + i,
    name: String(list[2 * i]),
    isRight: list[2 * i + 1] === true,
  }));
  return engines.filter((engine) => engine.name !== '');
}

/**
 * Names of engines that compute wrongly on this machine and are therefore left alone: packets are right all the same, only
 * slower. A program should warn of it once.
 */
export function failedEngines(): readonly string[] {
  const native = nativeOr(true);
  const engines = native === undefined ? [] : enginesOf(native);
  return engines.filter((engine) => !engine.isRight).map((engine) => engine.name);
}
