/** No protection of control packets: whoever can reach the port may speak, and TLS alone decides. */
import { CONTROL_HEAD_BYTES, type ControlWrap, type Unwrapped } from './control-wrap.ts';

export function createNoWrap(): ControlWrap {
  return {
    name: 'none',
    overhead: 0,
    wrappedKeyBytes: 0,
    wrap(head: Uint8Array, body: Uint8Array): Uint8Array {
      const datagram = new Uint8Array(head.length + body.length);
      datagram.set(head);
      datagram.set(body, head.length);
      return datagram;
    },
    unwrap(datagram: Uint8Array): Unwrapped {
      if (datagram.length <= CONTROL_HEAD_BYTES) return { kind: 'malformed' };
      return { kind: 'body', body: datagram.subarray(CONTROL_HEAD_BYTES) };
    },
  };
}
