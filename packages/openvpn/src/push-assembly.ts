/** Joins the messages of a push reply that goes on over several (openvpn push.c process_incoming_push_msg). */

/** Bytes of options that a server can make a client hold. */
const LONGEST = 256 * 1_024;

export class PushAssembly {
  #options: string[] = [];
  #length = 0;

  /** Take a message `PUSH_REPLY,...`. The options, once all are there; `tooLong` when a server pushes without end. */
  take(message: string): readonly string[] | 'more' | 'tooLong' {
    const options = message.split(',').slice(1);
    this.#length += message.length;
    if (this.#length > LONGEST) return 'tooLong';
    const more = options.includes('push-continuation 2');
    this.#options.push(...options.filter((option) => !option.startsWith('push-continuation ')));
    if (more) return 'more';
    const all = this.#options;
    this.#options = [];
    this.#length = 0;
    return all;
  }
}
