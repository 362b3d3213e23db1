/**
 * Control packets behind their nine-byte head (openvpn src/openvpn/reliable.c, reliable_ack_write).
 *
 *   head    | op/key 1 | sender's session id 8 |
 *   body    | count 1 | count x acknowledged id 4 | receiver's session id 8, if count > 0 | packet id 4 | TLS bytes
 *
 * ACK_V1 has neither packet id nor payload. Strangers choose how often these are decoded, so nothing here throws.
 */
import { readUint32, writeUint32 } from './bytes.ts';
import { Opcode, SESSION_ID_BYTES } from './opcode.ts';
import { CONTROL_HEAD_BYTES } from './wrap/control-wrap.ts';

/** Acknowledgements that fit a packet (openvpn reliable.h RELIABLE_ACK_SIZE). */
const ACKS_PER_PACKET = 8;

export interface ControlBody {
  /** Packet ids that the sender has from us. */
  readonly acks: readonly number[];
  /** Whose packets are acknowledged: the receiver's session id. Present when `acks` is not empty. Borrows from the input. */
  readonly ackedSession: Uint8Array | undefined;
  /** Undefined in an ACK_V1. */
  readonly packetId: number | undefined;
  /** Borrows from the input. */
  readonly payload: Uint8Array;
}

export function encodeHead(opcode: Opcode, keyId: number, sessionId: Uint8Array): Uint8Array {
  const head = new Uint8Array(CONTROL_HEAD_BYTES);
  head[0] = (opcode << 3) | keyId;
  head.set(sessionId, 1);
  return head;
}

/** The body of a control packet with `opcode`, or undefined where it breaks the layout. */
export function decodeBody(opcode: number, body: Uint8Array): ControlBody | undefined {
  const count = body[0];
  if (count === undefined || count > ACKS_PER_PACKET) return undefined;
  const acksEnd = 1 + count * 4 + (count > 0 ? SESSION_ID_BYTES : 0);
  const isAck = opcode === Opcode.ackV1;
  if (body.length < acksEnd + (isAck ? 0 : 4) || (isAck && count === 0)) return undefined;
  const acks: number[] = [];
  for (let i = 0; i < count; i++) acks.push(readUint32(body, 1 + i * 4));
  return {
    acks,
    ackedSession: count > 0 ? body.subarray(acksEnd - SESSION_ID_BYTES, acksEnd) : undefined,
    packetId: isAck ? undefined : readUint32(body, acksEnd),
    payload: isAck ? body.subarray(acksEnd) : body.subarray(acksEnd + 4),
  };
}

/** What goes into a datagram lies here until it does: a handshake is a dozen of them. */
const encoded = new Uint8Array(2_048);

/**
 * `ackedSession` is wanted where `acks` is not empty; `packetId` is undefined for an ACK_V1 alone.
 * The bytes are lent until the next call.
 */
export function encodeBody(body: ControlBody): Uint8Array {
  const { acks, ackedSession, packetId, payload } = body;
  const length = bodyHeadBytes(acks.length, packetId !== undefined) + payload.length;
  const bytes = length <= encoded.length ? encoded.subarray(0, length) : new Uint8Array(length);
  bytes[0] = acks.length;
  let at = 1;
  for (let i = 0; i < acks.length; i++) {
    writeUint32(bytes, at, acks[i] ?? 0);
    at += 4;
  }
  if (acks.length > 0 && ackedSession !== undefined) {
    bytes.set(ackedSession, at);
    at += SESSION_ID_BYTES;
  }
  if (packetId !== undefined) {
    writeUint32(bytes, at, packetId);
    at += 4;
  }
  bytes.set(payload, at);
  return bytes;
}

/** Bytes of a body before its payload. */
export function bodyHeadBytes(acks: number, withPacketId = true): number {
  return 1 + acks * 4 + (acks > 0 ? SESSION_ID_BYTES : 0) + (withPacketId ? 4 : 0);
}
