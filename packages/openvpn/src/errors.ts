import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_OPENVPN_PACKET: 'control packet breaks the protocol',
  CULVERT_OPENVPN_KEY_METHOD: 'key exchange message breaks the protocol',
  CULVERT_OPENVPN_PUSH: 'configuration cannot be pushed in one option',
} as const;

/** The peer's fault. What a peer does wrong never leaves a session's face as an error. */
export class OpenvpnError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'OpenvpnError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
