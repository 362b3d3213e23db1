/** Makes data keys, and says once when the slow implementation has to do. */
import type { Logger } from '@culvert/base';
import { createOpenvpnAeadKey } from '@culvert/cipher';
import type { CreateDataKey } from '@culvert/openvpn';

export type CipherImplementation = 'native' | 'portable';

/** What one transport has said already. */
export interface Said {
  portableCipher: boolean;
}

/** @param implementation undefined: native where it loads, else portable */
export function dataKeysOf(implementation: CipherImplementation | undefined, said: Said, log: Logger): CreateDataKey {
  return (options) => {
    const key = createOpenvpnAeadKey({ ...options, ...(implementation !== undefined && { implementation }) });
    if (key.implementation === 'portable' && !said.portableCipher) {
      said.portableCipher = true;
      const reason = implementation === undefined ? 'the native binary does not load' : 'unwanted';
      log.warn('packets are protected without native code, many times slower', { reason });
    }
    return key;
  };
}
