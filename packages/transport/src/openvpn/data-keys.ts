/** Makes data keys, and says once when a slow implementation has to do. */
import type { Logger } from '@culvert/base';
import { failedEngines, openvpnAeadKeys } from '@culvert/cipher';
import type { CreateDataKey } from '@culvert/openvpn';

export type CipherImplementation = 'native' | 'portable';

/** What one transport has said already. */
export interface Said {
  portableCipher: boolean;
  /** Of engines that compute wrongly on this machine, where there are any. */
  failedEngines: boolean;
}

/** @param implementation undefined: native where it loads, else portable */
export function dataKeysOf(
  implementation: CipherImplementation | undefined,
  said: Said,
  log: Logger,
  failed: () => readonly string[] = failedEngines,
): CreateDataKey {
  const create = openvpnAeadKeys(implementation);
  return (options) => {
    const key = create(options);
    if (key.implementation === 'portable' && !said.portableCipher) {
      said.portableCipher = true;
      const reason = implementation === undefined ? 'the native binary does not load' : 'unwanted';
      log.warn('packets are protected without native code, many times slower', { reason });
    }
    if (key.implementation === 'native' && !said.failedEngines) {
      said.failedEngines = true;
      const engines = failed();
      if (engines.length > 0)
        log.warn('this machine computes AES-GCM wrongly in one way; another is used', { engines });
    }
    return key;
  };
}
