/** The OpenVPN protocol as sans-IO machines, both roles. */
export { Acceptor, type AcceptorOptions, type DropReason, type Verdict } from './acceptor.ts';
export { ClientSession } from './client-session.ts';
export { OpenvpnError } from './errors.ts';
export type {
  AeadName,
  ClientSessionOptions,
  ClientWrap,
  CreateDataKey,
  DataKey,
  InnerAddress,
  PushedConfig,
  ServerSessionOptions,
  ServerWrap,
  SessionEvent,
  SessionOptions,
  SessionStats,
} from './face.ts';
export { isData, Opcode, peekControl, peekPeerId, SESSION_ID_BYTES } from './opcode.ts';
export { ServerSession } from './server-session.ts';
export type { Session } from './session.ts';
export type { SessionStart } from './session-start.ts';
