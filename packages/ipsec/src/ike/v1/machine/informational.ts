/** Informational exchanges: what a notification or a delete changes (RFC 2409, section 5.7; RFC 3706). Without our keys on it, nothing. */

import { ProtocolId } from '../security-association.ts';
import type { Context } from './context.ts';
import type { IkeSaId } from './face.ts';
import type { IkeSa } from './ike-sa.ts';
import { type Payload, PayloadType } from './message.ts';
import { aliveness, decodeDeletion, decodeNotification, type Notification, NotifyType } from './notification.ts';
import { spiNumber } from './quick-mode.ts';
import { sameRemote } from './same.ts';

export class Informational {
  readonly #context: Context;
  readonly #all: ReadonlyMap<IkeSaId, IkeSa>;

  constructor(context: Context, all: ReadonlyMap<IkeSaId, IkeSa>) {
    this.#context = context;
    this.#all = all;
  }

  attach(sa: IkeSa): void {
    sa.onInformation = (list) => {
      for (const payload of list) {
        if (payload.type === PayloadType.notification) this.#notified(sa, decodeNotification(payload.body));
        if (payload.type === PayloadType.delete) this.#deleted(sa, payload);
      }
    };
    sa.onClearNotice = (list) => {
      for (const { type, body } of list)
        if (type === PayloadType.notification) this.#rumour(sa, decodeNotification(body));
    };
    sa.onSealedNotice = (opened) => {
      if (!opened && sa.role === 'initiator' && sa.keys?.suite.authentication === 'pre-shared-key')
        sa.suspect('wrong-key', 'the pre-shared key differs');
    };
    sa.onInitialContact = () => this.#initialContact(sa);
  }

  /** In the clear while phase 1 is under way: anybody on the path could have said it. It only names the likely cause. */
  #rumour(sa: IkeSa, { type }: Notification): void {
    if (sa.role !== 'initiator' || type >= 16_384) return;
    if (type === NotifyType.noProposalChosen) sa.suspect('no-proposal', 'the peer takes none of our proposals');
    else if (type === NotifyType.authenticationFailed)
      sa.suspect('authentication', 'the peer refused our authentication');
    else if (sa.keys?.suite.authentication === 'pre-shared-key') sa.suspect('wrong-key', 'the pre-shared key differs');
    else sa.suspect('protocol', `the peer refused with notification ${type}`);
  }

  #notified(sa: IkeSa, { type, data }: Notification): void {
    const sequence = data.length === 4 ? spiNumber(data) : undefined;
    if (type === NotifyType.areYouThere && sequence !== undefined)
      sa.inform(aliveness(NotifyType.iAmHere, sa.cookies, sequence));
    else if (type === NotifyType.iAmHere) return;
    else if (type === NotifyType.initialContact) this.#initialContact(sa);
    else if (type === NotifyType.noProposalChosen)
      sa.quickModes.refuse('no-proposal', 'the peer takes none of our proposals');
    else if (type === NotifyType.invalidId)
      sa.quickModes.refuse('selectors', 'the peer does not carry these addresses');
    else if (type < 16_384) sa.quickModes.refuse('protocol', `the peer refused with notification ${type}`);
  }

  #deleted(sa: IkeSa, { body }: Payload): void {
    const { protocol, spis } = decodeDeletion(body);
    const { children } = this.#context;
    if (protocol === ProtocolId.esp) {
      const gone = new Set(spis.map(spiNumber));
      for (const child of children.ofPeer(sa)) if (gone.has(child.sa.outbound.spi)) children.delete(child, 'peer');
      return;
    }
    if (protocol !== ProtocolId.isakmp) return;
    const ours = spis.length === 0 || spis.some((spi) => Buffer.compare(spi, sa.cookies) === 0);
    if (ours) sa.close('peer-deleted', 'peer', 'the peer deleted phase 1');
  }

  /** The peer has just started: what we have of it is of before. Its neighbours behind the same NAT have other ports. */
  #initialContact(sa: IkeSa): void {
    for (const other of this.#all.values()) {
      if (other === sa || !other.established || other.closed || !sameRemote(sa.path, other.path)) continue;
      if (sa.identity === undefined || other.identity?.type !== sa.identity.type) continue;
      if (Buffer.compare(other.identity.data, sa.identity.data) !== 0) continue;
      for (const child of this.#context.children.of(other.id)) this.#context.children.delete(child, 'peer');
      other.close('peer-deleted', 'replaced', 'the peer started anew');
    }
  }
}
