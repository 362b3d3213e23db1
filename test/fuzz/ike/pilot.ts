/** The way to each state, message by message; and what an honest peer may say there. */
import type { Variant } from './bodies.ts';
import type { Draft } from './peer.ts';
import type { State, World } from './world.ts';

export type Kind =
  | 'sa'
  | 'aggressive'
  | 'key-exchange'
  | 'identity'
  | 'quick-first'
  | 'quick-second'
  | 'quick-third'
  | 'notify'
  | 'clear-notify'
  | 'delete';

const later = ['quick-first', 'notify', 'delete'] as const;

/** What a state reads. Where a child is asked for, the peer may ask for one too. */
export const kindsOf: Readonly<Record<Variant['role'], Readonly<Partial<Record<State, readonly Kind[]>>>>> = {
  responder: {
    stranger: ['sa', 'aggressive'],
    first: ['key-exchange'],
    keys: ['identity', 'notify', 'clear-notify'],
    established: later,
    quick: ['quick-third', ...later],
    up: later,
    gone: [],
  },
  initiator: {
    asked: ['sa', 'clear-notify'],
    exchanged: ['key-exchange', 'clear-notify'],
    identified: ['identity', 'notify', 'clear-notify'],
    quick: ['quick-second', ...later],
    up: later,
    rekeying: ['quick-second', ...later],
    gone: [],
  },
};

/** Without the message that leads on. */
export function draft(world: World, kind: Kind, notifyType: number): Draft {
  const { peer } = world;
  switch (kind) {
    case 'sa':
      return peer.sa();
    case 'aggressive':
      return { ...peer.sa(), exchange: 4 };
    case 'key-exchange':
      return peer.keyExchange();
    case 'identity':
      return peer.identity();
    case 'quick-first':
      return peer.quickFirst();
    case 'quick-second':
      return peer.quickSecond();
    case 'quick-third':
      return peer.quickThird();
    case 'notify':
      return peer.notify(notifyType, true);
    case 'clear-notify':
      return peer.notify(notifyType, false);
    case 'delete':
      return peer.delete(notifyType % 2 === 0 ? 'child' : 'phase1');
  }
}

/** Brings the subject there; throws where there is no way. */
export function pilot(world: World, variant: Variant, state: State): void {
  if (variant.role === 'responder') pilotResponder(world, state);
  else pilotInitiator(world, variant, state);
  world.isStranger = state === 'stranger';
  world.touched = false;
}

function pilotResponder(world: World, state: State): void {
  const { peer } = world;
  if (state === 'stranger') return;
  peer.takeSa(say(world, peer.sa()));
  if (state === 'first') return;
  peer.takeKeyExchange(say(world, peer.keyExchange()));
  world.natPort = world.variant.nat;
  if (state === 'keys') return;
  peer.takeIdentity(say(world, peer.identity()));
  if (state === 'established') return;
  peer.takeQuick(say(world, peer.quickFirst()));
  if (state === 'quick') return;
  world.hit(peer.finish(peer.quickThird()));
  if (state === 'gone') world.hit(peer.finish(peer.delete('phase1')));
}

function pilotInitiator(world: World, variant: Variant, state: State): void {
  const { peer } = world;
  peer.takeSa(only(world.connect()));
  if (state === 'asked') return;
  peer.takeKeyExchange(say(world, peer.sa()));
  if (state === 'exchanged') return;
  const identity = say(world, peer.keyExchange());
  world.natPort = variant.nat;
  peer.takeIdentity(identity);
  if (state === 'identified') return;
  const sealed = peer.identity();
  const datagram = peer.finish(sealed);
  peer.takeIdentity(datagram);
  peer.takeQuick(only(world.hit(datagram)));
  if (state === 'quick') return;
  say(world, peer.quickSecond());
  if (state === 'up') return;
  if (state === 'gone') {
    world.hit(peer.finish(peer.delete('phase1')));
    return;
  }
  world.subject.handleSent(world.child, 2 ** 40, world.now);
  peer.takeQuick(only(world.drain('')));
}

/** The one answer. */
function say(world: World, message: Draft): Uint8Array {
  const datagram = world.peer.finish(message);
  const [answer] = world.hit(datagram);
  if (answer === undefined) throw new Error(`no answer to ${message.seal} of exchange ${message.exchange}`);
  return answer;
}

function only(datagrams: readonly Uint8Array[]): Uint8Array {
  const [first] = datagrams;
  if (first === undefined) throw new Error('it says nothing');
  return first;
}
