/** Long messages of one phase 1 in Microsoft's fragments, both ways (MS-IKEE, section 3.3). */
import { WireError } from '@culvert/wire';
import { decodeFragment, FragmentAssembler, splitMessage } from '../fragment.ts';
import { decodeMessage, type Message } from '../message.ts';
import { decodePayloads, PayloadType } from '../payload.ts';

/** Longer ones are split: 1280 less headers. */
const LARGEST_DATAGRAM = 1200;

export class Fragments {
  readonly #pieces = new FragmentAssembler();
  #lastId = 0;

  /** The message that is whole by this fragment, and its datagram. Throws WireError. */
  take({ firstPayload, rest, initiatorCookie }: Message): { message: Message; datagram: Uint8Array } | undefined {
    const [piece] = decodePayloads(firstPayload, rest).list;
    const datagram = piece && this.#pieces.add(decodeFragment(piece.body));
    if (datagram === undefined) return undefined;
    const message = decodeMessage(datagram);
    const isOurs = Buffer.compare(message.initiatorCookie, initiatorCookie) === 0;
    if (!isOurs || message.firstPayload === PayloadType.fragment)
      throw new WireError('CULVERT_WIRE_VALUE', 'fragments of another message');
    return { message, datagram };
  }

  /** What goes out for a message. */
  split(datagram: Uint8Array): readonly Uint8Array[] {
    if (datagram.length <= LARGEST_DATAGRAM) return [datagram];
    this.#lastId = (this.#lastId + 1) & 0xffff;
    return splitMessage(datagram, this.#lastId, LARGEST_DATAGRAM);
  }
}
