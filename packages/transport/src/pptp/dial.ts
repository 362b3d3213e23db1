/** `dial` of the pptp transport: one call to one server. */
import { connect, type Socket } from 'node:net';
import type { CloseReason, Logger, PacketBatch, Path } from '@culvert/base';
import type { Link, Principal, TransportEvent } from '@culvert/core';
import type { AuthOffer } from '@culvert/ppp';
import { PnsConnection } from '@culvert/pptp';
import { systemClock, systemRandom } from '../clock.ts';
import { TransportError } from '../errors.ts';
import { FaultLog } from '../fault-log.ts';
import { PppClient } from '../ppp/client.ts';
import { handshakeWindowOf } from '../ppp/settings.ts';
import { tcpPath } from '../tcp-server.ts';
import { Call } from './call.ts';
import { Connection } from './connection.ts';
import { checkIpv4 } from './ipv4-only.ts';
import type { PptpDialOptions } from './options.ts';
import type { SharedGre } from './shared-gre.ts';
import { bringUp, mppeWish } from './terms.ts';

export interface DialHandlers {
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly gre: SharedGre;
  readonly inner: PacketBatch;
  readonly auth: readonly AuthOffer[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export async function dial(to: PptpDialOptions, on: DialHandlers): Promise<Link> {
  checkIpv4(to.remote.address);
  checkIpv4(to.localAddress);
  const release = on.gre.hold(on.log);
  let socket: Socket | undefined;
  try {
    socket = await openConnection(to, on.signal);
    const id = on.nextId();
    const path = tcpPath(socket, id);
    if (path === undefined)
      throw new TransportError('CULVERT_TRANSPORT_UNREACHABLE', 'the server reset the connection');
    const callId = on.gre.port.take();
    if (callId === undefined) throw new TransportError('CULVERT_TRANSPORT_UNREACHABLE', 'no call id is free');
    return await startCall(to, on, socket, { id, path, callId });
  } catch (error) {
    socket?.destroy();
    throw error;
  } finally {
    // A call that is up holds the port itself.
    release();
  }
}

/** From the connection to the link, and on to its end. */
function startCall(
  to: PptpDialOptions,
  on: DialHandlers,
  socket: Socket,
  { id, path, callId }: { readonly id: number; readonly path: Path; readonly callId: number },
): Promise<Link> {
  const release = on.gre.hold(on.log);
  const principal: Principal = { user: to.remote.address, groups: [], certificate: undefined, proofs: ['password'] };
  const faults = new FaultLog(on.log, systemClock);
  const onFault = (error: unknown): void => faults.tell('a call', error);
  const client = new PppClient({
    id,
    path,
    to,
    auth: on.auth,
    mppe: mppeWish(to),
    signal: on.signal,
    onEvent: on.onEvent,
    createLink: (terms, config) => call && bringUp(call, terms, { id, principal, config, path }),
    stop: (reason) => connection.close(reason),
  });
  const [high = 0, low = 0] = systemRandom.bytes(2);
  const now = systemClock.now();
  let call: Call | undefined;
  let why: CloseReason | undefined;
  const connection = new Connection({
    socket,
    clock: systemClock,
    control: new PnsConnection({ callId, serial: (high << 8) | low, now, callDeadline: handshakeWindowOf(to) }),
    onCall: (event, controlStats) => {
      call = new Call({
        ...{ event, controlStats, path, port: on.gre.port, settings: to, clock: systemClock, inner: on.inner },
        ppp: client.createSession(),
        onFault,
        onPpp: (told) => client.handle(told),
        onDown: (reason, at) => connection.closeCall(callId, reason, at),
        onOver: (reason) => {
          why = reason;
        },
      });
      return call;
    },
    onNote: (message, fields) => client.note(message, fields),
    onFault,
    onOver: (reason) => {
      if (call === undefined) on.gre.port.give(callId);
      release();
      client.end(why ?? reason);
    },
  });
  client.start(() => connection.start());
  return client.link;
}

function openConnection({ remote, localAddress }: PptpDialOptions, signal: AbortSignal): Promise<Socket> {
  if (signal.aborted) return Promise.reject(new TransportError('CULVERT_TRANSPORT_STOPPED'));
  const { address, port } = remote;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, family: 4, noDelay: true, ...(localAddress && { localAddress }) });
    const stop = (): void => fail(new TransportError('CULVERT_TRANSPORT_STOPPED'));
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      reject(error);
    };
    socket.once('connect', () => {
      signal.removeEventListener('abort', stop);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (cause) =>
      fail(new TransportError('CULVERT_TRANSPORT_UNREACHABLE', `TCP ${address} port ${port}`, { cause })),
    );
    signal.addEventListener('abort', stop, { once: true });
  });
}
