/** Informational exchanges: what a notification or a delete changes (RFC 2409, section 5.7; RFC 3706). Without our keys on it, nothing. */

import type { Instant } from '@culvert/base';
import { Flag, type Message } from '../message.ts';
import { aliveness, decodeDeletion, decodeNotification, type Notification, NotifyType } from '../notification.ts';
import { decodePayloads, type Payload, PayloadType } from '../payload.ts';
import { ProtocolId } from '../security-association.ts';
import type { Context } from './context.ts';
import type { IkeSa } from './ike-sa.ts';
import { keyDiffers } from './main-mode.ts';
import { quickHash, spiNumber } from './quick-mode.ts';
import { sameSecret } from './same.ts';
import { SeenIds } from './seen-ids.ts';
import type { Succession } from './succession.ts';

export class Informational {
  readonly #context: Context;
  readonly #succession: Succession;

  constructor(context: Context, succession: Succession) {
    this.#context = context;
    this.#succession = succession;
  }

  attach(sa: IkeSa): void {
    const seen = new SeenIds();
    sa.onInformational = (message, path, now) => {
      if (!sa.established) {
        this.#handleEarly(sa, message);
        return;
      }
      const opened = sa.open(message);
      const isGenuine =
        opened !== undefined &&
        sameSecret(quickHash(sa, message.messageId, opened.payloads.afterFirst), opened.hash) &&
        seen.add(message.messageId);
      if (!isGenuine) {
        this.#context.stats.unauthenticated++;
        return;
      }
      // Whoever could replay an old one must not move the peer: ESP, whose window forgets nothing, still does.
      if (seen.forgot) sa.alive(now);
      else sa.heard(path, now);
      for (const payload of opened.payloads.list) {
        if (payload.type === PayloadType.notification) this.#notified(sa, decodeNotification(payload.body), now);
        if (payload.type === PayloadType.delete) this.#deleted(sa, payload, now);
      }
    };
  }

  /** While phase 1 is under way. Throws WireError. */
  #handleEarly(sa: IkeSa, message: Message): void {
    if ((message.flags & Flag.encrypted) === 0) {
      this.#rumours(sa, decodePayloads(message.firstPayload, message.rest).list);
      return;
    }
    if (sa.keys === undefined || sa.mainMode === undefined) return;
    const opened = sa.open(message);
    if (opened !== undefined) this.#rumours(sa, opened.payloads.list);
    else if (sa.role === 'initiator' && sa.keys.suite.authentication === 'pre-shared-key')
      sa.suspect('wrong-key', keyDiffers);
  }

  #rumours(sa: IkeSa, list: readonly Payload[]): void {
    for (const { type, body } of list)
      if (type === PayloadType.notification) this.#rumour(sa, decodeNotification(body));
  }

  /**
   * While phase 1 is under way anybody on the path could have said it, also under its keys: they are of somebody who has proven nothing
   * yet. It only names the likely cause.
   */
  #rumour(sa: IkeSa, { type }: Notification): void {
    if (sa.role !== 'initiator' || type >= 16_384) return;
    if (type === NotifyType.noProposalChosen) sa.suspect('no-proposal', 'the peer takes none of our proposals');
    else if (type === NotifyType.authenticationFailed)
      sa.suspect('authentication', 'the peer refused our authentication');
    else if (sa.keys?.suite.authentication === 'pre-shared-key') sa.suspect('wrong-key', keyDiffers);
    else sa.suspect('protocol', `the peer refused with notification ${type}`);
  }

  #notified(sa: IkeSa, { type, data }: Notification, now: Instant): void {
    const sequence = data.length === 4 ? spiNumber(data) : undefined;
    if (type === NotifyType.areYouThere && sequence !== undefined)
      sa.inform(aliveness(NotifyType.iAmHere, sa.cookies, sequence));
    else if (type === NotifyType.iAmHere) sa.handleAnswer(sequence, now);
    else if (type === NotifyType.initialContact) this.#succession.handleInitialContact(sa, now);
    else if (type === NotifyType.authenticationFailed)
      sa.close('authentication', 'peer', 'the peer refused our authentication');
    else if (type === NotifyType.noProposalChosen)
      sa.quickModes.refuse('no-proposal', 'the peer takes none of our proposals');
    else if (type === NotifyType.invalidId)
      sa.quickModes.refuse('selectors', 'the peer does not carry these addresses');
    else if (type < 16_384) sa.quickModes.refuse('protocol', `the peer refused with notification ${type}`);
  }

  #deleted(sa: IkeSa, { body }: Payload, now: Instant): void {
    const { protocol, spis } = decodeDeletion(body);
    const { children } = this.#context;
    if (protocol === ProtocolId.esp) {
      const gone = new Set(spis.map(spiNumber));
      for (const child of children.everOf(sa.id)) if (gone.has(child.sa.outbound.spi)) children.deleteLate(child, now);
      return;
    }
    if (protocol !== ProtocolId.isakmp) return;
    const ours = spis.length === 0 || spis.some((spi) => Buffer.compare(spi, sa.cookies) === 0);
    if (ours) sa.close('peer-deleted', 'peer', 'the peer deleted phase 1');
  }
}
