/** Messages of OpenVPN itself inside the data channel (openvpn ping.c, occ.c). They never reach a TUN device. */

/** Fixed by openvpn: a packet that is exactly this is a ping. */
export const pingMessage: Uint8Array = hex('2a187bf3641eb4cb07ed2d0a981fc748');

/** What options-compatibility messages begin with; the type follows. */
const occPrefix: Uint8Array = hex('287f346bd4ef7a812d56b8d3afc5459c');
const OCC_EXIT = 6;

export const occExitMessage: Uint8Array = Uint8Array.of(...occPrefix, OCC_EXIT);

export type Magic = 'ping' | 'exit' | 'occ';

/** What the packet at `at` is, when it is none that a TUN device should see. */
export function magicOf(arena: Uint8Array, at: number, length: number): Magic | undefined {
  if (length < pingMessage.length) return undefined;
  // An IP packet begins with version 4 or 6: most packets end here.
  const first = arena[at];
  if (first === pingMessage[0])
    return length === pingMessage.length && startsWith(arena, at, pingMessage) ? 'ping' : undefined;
  if (first !== occPrefix[0] || !startsWith(arena, at, occPrefix)) return undefined;
  return arena[at + occPrefix.length] === OCC_EXIT && length > occPrefix.length ? 'exit' : 'occ';
}

function startsWith(arena: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (arena[at + i] !== prefix[i]) return false;
  return true;
}

function hex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(i * 2, i * 2 + 2), 16));
}
