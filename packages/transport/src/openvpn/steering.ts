/**
 * Which of several sockets of one port gets a datagram: a classic BPF program that the kernel runs (SO_ATTACH_REUSEPORT_CBPF).
 *
 * What names a session also names its thread, so that a peer that moves to another address stays with the thread that has its keys:
 * a data packet by its peer id, which the thread itself gave, and a control packet by the client's session id, which is the same
 * from the first reset to the last acknowledgement. Datagrams are read as `opcode.ts` of @culvert/openvpn draws them.
 */
import { Opcode } from '@culvert/openvpn';

/** Classes, sizes, modes and operations of linux/bpf_common.h. */
const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_BYTE = 0x30; // BPF_LD | BPF_B | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RIGHT_SHIFT = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const MODULO = 0x94; // BPF_ALU | BPF_MOD | BPF_K
const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x16; // BPF_RET | BPF_A

const instruction = (code: number, k: number, onTrue = 0, onFalse = 0) => [code | (onTrue << 16) | (onFalse << 24), k];

/**
 * The program for a group of `count` sockets, as `UdpOptions.steering` takes it. A datagram that is too short to say more is the first
 * socket's. DATA_V1 names no peer: a group serves no clients that send it.
 */
export function steeringProgram(count: number): Uint32Array {
  return Uint32Array.from([
    ...instruction(LOAD_BYTE, 0),
    ...instruction(RIGHT_SHIFT, 3),
    ...instruction(JUMP_IF_EQUAL, Opcode.dataV2, 0, 4),
    // Opcode and key, then the peer id.
    ...instruction(LOAD_WORD, 0),
    ...instruction(AND, 0xff_ffff),
    ...instruction(MODULO, count),
    ...instruction(RETURN, 0),
    // Half of the session id, which is random: as good as all of it.
    ...instruction(LOAD_WORD, 1),
    ...instruction(MODULO, count),
    ...instruction(RETURN, 0),
  ]);
}
