/** Packets of a real session: pptp-linux 1.10 against pptpd 1.4 on Debian 12, MS-CHAPv2 with MPPE-128; the client called first. */

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
/** A field of 64 bytes. */
const name = (text: string) => Buffer.from(text.padEnd(64, '\0')).toString('hex');

/** The control connection, in order. */
export const control = {
  startRequest: bytes(`009c00011a2b3c4d00010000010000000000000300000003ffff0001${name('local')}${name('cananian')}`),
  startReply: bytes(`009c00011a2b3c4d0002000001000100000000000000000000010001${name('local')}${name('linux')}`),
  outgoingCallRequest: bytes(`00a800011a2b3c4d00070000f8e40000000009600098968000000003000000030003${'00'.repeat(134)}`),
  outgoingCallReply: bytes('002000011a2b3c4d000800000000f8e401000000009896800003000000000000'),
  callClearRequest: bytes('001000011a2b3c4d000c0000f8e40000'),
} as const;

/** Call ids: the client's, the server's. */
export const captured = { client: 0xf8e4, server: 0 } as const;

export const gre = {
  /** Client to server: its first packet, an LCP Configure-Request. */
  first: bytes('3001880b0018000000000001ff03c0210101001402060000000005061a3e8bac07020802'),
  /** Server to client: sequence 1, acknowledges 1. */
  withAck: bytes('3081880b0018f8e40000000100000001ff03c0210201001402060000000005061a3e8bac07020802'),
  /** Client to server: acknowledges 7. */
  ackAlone: bytes('2081880b0000000000000007'),
  /** Server to client, a Terminate-Ack. */
  last: bytes('3001880b0008f8e400000011ff03c02106030004'),
} as const;
