/**
 * A tunnel of this process, from the journal to the last undo.
 *
 * Owns the order: claim the journal (which undoes what a killed process left), open the device, listen for control, run; and the
 * way back in reverse, so that `culvert down` returns when the host is as it was.
 */
import { mkdir } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { CloseReason, Logger, Millis } from '@culvert/base';
import { HostChanges, HostError, watchRoutes } from '@culvert/host';
import { DEVICE_QUEUE_LENGTH, IdleMemory, joinFor, systemClock, tellMissingOffloads } from '@culvert/transport';
import { openTun } from '@culvert/tun-tap';
import { Backoff } from './backoff.ts';
import { CandidateList, systemResolve } from './candidates.ts';
import { Carrier } from './carrier.ts';
import { askControl, openControl } from './control.ts';
import { ClientError } from './errors.ts';
import { HostNetwork, hostHasIpv6 } from './network.ts';
import { type Places, runFiles } from './paths.ts';
import type { Dialer, Secrets } from './profile.ts';
import type { LoadedProfile } from './profile-store.ts';
import { readPushedConfig } from './pushed-config.ts';
import { downAsService } from './service-user.ts';
import { describeTunnel, type TunnelDescription } from './status.ts';
import { Tunnel } from './tunnel.ts';
import { watchSleep } from './wake.ts';

/** Silence of a server for so long makes us try the next one; with a single server we are patient, as OpenVPN is. */
const SEVERAL_MS = 20_000;
const ONLY_MS = 60_000;

export interface RunOptions {
  readonly loaded: LoadedProfile;
  readonly secrets: Secrets;
  readonly places: Places;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Give up when there is no link after so long; undefined: never. */
  readonly timeout: Millis | undefined;
  /** Move packets in trains where the kernel can. */
  readonly offload: boolean;
  readonly onUp: (description: TunnelDescription) => void;
}

/** Resolves when the tunnel was told to stop and the host is as it was. Throws ClientError, HostError or TunError. */
export async function runTunnel(options: RunOptions): Promise<CloseReason> {
  const { loaded, log, secrets } = options;
  const { profile } = loaded;
  const files = runFiles(options.places, loaded.name);
  await using stack = new AsyncDisposableStack();
  const dialer = stack.adopt(profile.createDialer({ secrets, log }), (it) => it.close());
  await mkdir(options.places.run, { recursive: true, mode: 0o755 });
  await clearAfterService(files, loaded.name);
  const changes = await claimHost(files.journal, loaded.name, log);
  stack.defer(() => changes.close());
  const device = openTun({
    ...(profile.deviceName === undefined ? {} : { name: profile.deviceName }),
    vnetHeader: options.offload,
    offloads: options.offload ? 'best' : [],
  });
  stack.defer(() => device.close());
  if (options.offload) tellMissingOffloads(device, log);
  // Undone before the device goes: some of it outlives the device.
  stack.defer(async () => void (await changes.undoAll()));
  await changes.apply([{ kind: 'link', device: device.name, txQueueLength: DEVICE_QUEUE_LENGTH }]);

  const gone = new AbortController();
  const network = new HostNetwork({ changes, device: device.name, log });
  const carrier = stack.adopt(
    new Carrier({ device, virtio: device.vnetHeader, clock: systemClock, log, onGone: (error) => gone.abort(error) }),
    (it) => it.close(),
  );
  const stopping = new AbortController();
  const signal = AbortSignal.any([options.signal, stopping.signal, gone.signal]);
  const deadline = new Deadline(options.timeout, stopping);
  const offloads = { join: joinFor(device), ...(options.offload ? {} : { trains: false }) };
  const dial: Dialer['dial'] = (candidate, on) => dialer.dial(candidate, { ...on, ...offloads });
  const tunnel = createTunnel(options, dial, network, carrier, () => {
    deadline.clear();
    options.onUp(describe());
  });
  const describe = (): TunnelDescription => describeTunnel(loaded, device.name, tunnel.status);
  const control = await openControl(files.socket, (request) => {
    if (request.command === 'down') stopping.abort();
    return describe();
  });
  stack.defer(() => deadline.clear());
  const watches = [
    watchRoutes(() => routesChanged(tunnel, network, log), log),
    watchSleep((slept) => woke(tunnel, slept, log)),
    new IdleMemory({ log }),
  ];
  try {
    const reason = await tunnel.run(signal);
    deadline.check(tunnel.status.trouble);
    if (gone.signal.aborted) throw gone.signal.reason;
    return reason;
  } finally {
    for (const watch of watches) watch.close();
    await stack.disposeAsync();
    await control.close();
  }
}

/** As root, after a service that was killed: its journal is not ours to take over. */
async function clearAfterService(files: ReturnType<typeof runFiles>, name: string): Promise<void> {
  const answers = await askControl(files.socket, { command: 'status' }).then(
    () => true,
    () => false,
  );
  if (!answers) downAsService(files.journal, name);
}

async function claimHost(journal: string, name: string, log: Logger): Promise<HostChanges> {
  try {
    return await HostChanges.open({ journal, log });
  } catch (error) {
    if (error instanceof HostError && error.code === 'CULVERT_HOST_BUSY')
      throw new ClientError('CULVERT_CLIENT_RUNNING', name);
    throw error;
  }
}

function createTunnel(
  options: RunOptions,
  dial: Dialer['dial'],
  network: HostNetwork,
  carrier: Carrier,
  onUp: () => void,
): Tunnel {
  const { loaded, log } = options;
  const { profile } = loaded;
  const { retry } = profile;
  const only = retry.timeout ?? ONLY_MS;
  return new Tunnel({
    candidates: new CandidateList({ profile, resolve: systemResolve, log }),
    dial,
    network,
    carrier,
    readConfig: (pushed) => readPushedConfig(profile.filterPushed(pushed), profile.network, { ipv6: hostHasIpv6() }),
    backoff: new Backoff(retry),
    log,
    // An abort ends the wait; the caller looks at the signal itself.
    delay: (millis, signal) => delay(millis, undefined, { signal }).catch(() => {}),
    timeouts: { several: Math.min(only, SEVERAL_MS), only },
    maxRounds: retry.rounds,
    onUp,
  });
}

/** `--timeout`: the first link must be there by then. */
class Deadline {
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #millis: Millis | undefined;
  #passed = false;

  constructor(millis: Millis | undefined, stop: AbortController) {
    this.#millis = millis;
    if (millis === undefined) return;
    this.#timer = setTimeout(() => {
      this.#passed = true;
      stop.abort();
    }, millis);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }

  check(trouble: string | undefined): void {
    if (!this.#passed) return;
    throw new ClientError(
      'CULVERT_CLIENT_NO_LINK',
      `within ${(this.#millis ?? 0) / 1_000} s${trouble === undefined ? '' : ` (${trouble})`}`,
    );
  }
}

/** OpenVPN over UDP moves along by itself once the server is pinned to the new way. What else had an address that is gone begins anew. */
function routesChanged(tunnel: Tunnel, network: HostNetwork, log: Logger): void {
  network.repin().catch((error: Error) => log.warn('the server is out of reach', { reason: error.message }));
  const { link, server } = tunnel.status;
  if (link === undefined || (link.transport === 'openvpn' && server?.protocol === 'udp')) return;
  const ours = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  if (!ours.some(({ address }) => address === link.path.local.address)) tunnel.restart('our address went away');
}

/** A server that heard nothing for its keepalive's timeout has forgotten us. */
function woke(tunnel: Tunnel, slept: Millis, log: Logger): void {
  const { link } = tunnel.status;
  log.info('this machine slept', { seconds: Math.round(slept / 1_000) });
  if (link === undefined || slept < link.config.keepalive.timeout) return;
  tunnel.restart('this machine slept longer than the server waits');
}
