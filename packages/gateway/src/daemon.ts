/**
 * The gateway as a process: opens what touches the machine in order, joins it, and closes it in reverse.
 *
 * Owns signals, the control socket and the watches of files and users. Leaves what they mean to `gateway.ts`.
 */
import { readFileSync } from 'node:fs';
import type { CloseReason, Logger } from '@culvert/base';
import { formatProblem, type GatewayConfig, type LoadedConfig } from '@culvert/config';
import { openStoreThread, PasswordHasher, type Store } from '@culvert/store';
import { systemClock } from '@culvert/transport';
import type { ControlRequest } from './control-protocol.ts';
import { openControl } from './control-server.ts';
import { GatewayError } from './errors.ts';
import { type FileWatch, watchFile } from './file-watch.ts';
import { Gateway } from './gateway.ts';
import { GatewayHost } from './gateway-host.ts';
import { GatewayTls, type ReadText } from './gateway-tls.ts';
import { type LeaseMemory, openLeaseMemory } from './lease-memory.ts';
import { NtHashes } from './nt-hashes.ts';
import { openPacketPath, type PacketPath } from './packet-path.ts';
import { journalFile, secretKeyFile, usersFile } from './paths.ts';
import { makeDirectories, mayConfigureNetwork } from './privileges.ts';
import { compareConfigs, type ReloadReport, withoutRestart } from './reload.ts';

export interface DaemonOptions {
  readonly config: GatewayConfig;
  readonly log: Logger;
  readonly version: string;
  readonly read: ReadText;
  /** A descriptor of /dev/net/tun that root opened. */
  readonly tunFd: number | undefined;
  /** The configuration as it is in the file now. */
  load(): LoadedConfig;
}

const insecurePptp =
  'transports.pptp is on: whoever records a PPTP session can find its password and read all that went through; move its users to another transport';
const shutdown: CloseReason = { cause: 'shutdown', detail: 'the gateway stops' };

/**
 * Runs until `signal` is aborted or the device is gone; then ends the links, leaves the host as it was, and returns. Rejects
 * with the error of the first thing that could not be opened, after closing the others.
 */
export async function runDaemon(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  await using opened = new AsyncDisposableStack();
  let daemon: Daemon | undefined;
  const onHangup = () => daemon?.handleHangup();
  process.on('SIGHUP', onHangup);
  opened.defer(() => void process.off('SIGHUP', onHangup));
  daemon = await Daemon.open(options, opened);
  await Promise.race([aborted(signal), daemon.failed]);
  options.log.info('stopping');
}

class Daemon {
  readonly #log: Logger;
  readonly #options: DaemonOptions;
  readonly #tls: GatewayTls;
  readonly #failed = Promise.withResolvers<never>();
  #gateway: Gateway | undefined;
  #packets: PacketPath | undefined;
  #watched: { readonly file: string; readonly watch: FileWatch } | undefined;
  #config: GatewayConfig;

  private constructor(options: DaemonOptions, tls: GatewayTls) {
    this.#options = options;
    this.#log = options.log;
    this.#config = options.config;
    this.#tls = tls;
    this.#failed.promise.catch(() => {}); // Raced against the end of the run; a failure during the start has no one waiting yet.
  }

  /** Rejects when the gateway can no longer work. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  static async open(options: DaemonOptions, opened: AsyncDisposableStack): Promise<Daemon> {
    const { config, log, read } = options;
    checkPrivileges();
    makeDirectories(config, undefined);
    const early: string[] = [];
    const tls = new GatewayTls(config, read, (message) => daemon?.warn(message) ?? early.push(message));
    opened.defer(() => tls.close());
    const daemon: Daemon = new Daemon(options, tls);
    await daemon.#openControl(opened);
    const store = await openStoreThread(usersFile(config), () => void daemon.#gateway?.handleUsersChanged());
    opened.defer(() => store.close());
    const ntHashes = await daemon.#openNtHashes(store, early);
    const packets = await openPacketPath({
      ...options,
      tls,
      onWarning: (message) => daemon.warn(message),
      onGone: (error) => daemon.#failed.reject(error),
    });
    opened.defer(() => packets.close());
    daemon.#packets = packets;
    const host = await GatewayHost.open({
      network: config.network,
      device: packets.deviceName,
      journal: journalFile(config),
      log,
    });
    opened.defer(() => host.close());
    const leases = await openLeaseMemory(store, log);
    opened.defer(() => leases.close());
    daemon.#gateway = daemon.#createGateway({ store, leases, packets, host, ntHashes });
    opened.defer(() => daemon.#gateway?.stop(shutdown));
    for (const message of early) daemon.warn(message);
    await daemon.#gateway.start();
    daemon.#watchRevocations();
    opened.defer(() => daemon.#watched?.watch.close());
    log.info('culvertd is up', {
      device: packets.deviceName,
      threads: config.network.threads,
      mode: config.network.mode,
      version: options.version,
    });
    return daemon;
  }

  handleHangup(): void {
    this.#reload().catch((error: Error) => this.#log.warn(error.message));
  }

  /** True when somebody heard it. */
  warn(sentence: string): true | undefined {
    if (this.#gateway === undefined) return undefined;
    this.#gateway.warn(sentence);
    return true;
  }

  #createGateway(parts: {
    readonly store: Store;
    readonly leases: LeaseMemory;
    readonly packets: PacketPath;
    readonly host: GatewayHost;
    readonly ntHashes: NtHashes | undefined;
  }): Gateway {
    const { store, leases, packets, host, ntHashes } = parts;
    const { config, log, version } = this.#options;
    return new Gateway({
      config,
      store,
      hasher: new PasswordHasher(),
      ntHashes,
      leases,
      carrier: packets.carrier,
      deviceName: packets.deviceName,
      transports: packets.transports,
      clock: systemClock,
      log,
      version,
      isRevoked: (der) => this.#tls.isRevoked(der),
      setNetworksBehind: (networks) => host.setNetworksBehind(networks),
    });
  }

  /** NT hashes are kept where PPTP is on, and nowhere else. */
  async #openNtHashes(store: Store, warnings: string[]): Promise<NtHashes | undefined> {
    const { pptp } = this.#config.transports;
    if (pptp.enabled) {
      warnings.push(insecurePptp);
      return new NtHashes(secretKeyFile(this.#config));
    }
    const forgotten = await store.forgetNtHashes();
    if (forgotten > 0) this.#log.info('NT hashes forgotten, as PPTP is off', { users: forgotten });
    return undefined;
  }

  async #openControl(opened: AsyncDisposableStack): Promise<void> {
    const control = await openControl(this.#config.control, (request) => this.#answer(request));
    opened.defer(() => control.close());
  }

  async #answer(request: ControlRequest): Promise<unknown> {
    const gateway = this.#gateway;
    if (gateway === undefined) throw new GatewayError('CULVERT_GATEWAY_NOT_RUNNING', 'it is starting');
    if (request.command !== 'reload') await gateway.refresh();
    switch (request.command) {
      case 'status':
        return gateway.status();
      case 'sessions':
        return gateway.sessions();
      case 'reload':
        return await this.#reload();
      case 'end': {
        const which = 'id' in request ? `number ${request.id}` : `of ${request.user}`;
        const ended = gateway.end(
          (session) => ('id' in request ? session.id === request.id : session.user === request.user),
          { cause: 'operator', detail: 'an operator ended the session' },
        );
        if (ended.length === 0) throw new GatewayError('CULVERT_GATEWAY_NO_SESSION', which);
        return ended;
      }
    }
  }

  async #reload(): Promise<ReloadReport> {
    const { config: loaded, problems } = this.#options.load();
    if (loaded === undefined) {
      const mistakes = problems.filter(({ severity }) => severity === 'error').map(formatProblem);
      throw new GatewayError('CULVERT_GATEWAY_RELOAD', mistakes.map((mistake) => `\n  ${mistake}`).join(''));
    }
    const report = compareConfigs(this.#config, loaded);
    const config = withoutRestart(this.#config, loaded);
    this.#gateway?.forgetWarnings();
    try {
      this.#tls.reload(config, this.#options.read);
      this.#packets?.reloadTls(config);
      this.#gateway?.reload(config);
    } catch (cause) {
      throw new GatewayError('CULVERT_GATEWAY_RELOAD', (cause as Error).message, { cause });
    }
    this.#config = config;
    this.#log.info('configuration read again', { ...report });
    this.#watchRevocations();
    this.#gateway?.handleRevocations();
    return report;
  }

  /** Follows the file of the configuration in force. */
  #watchRevocations(): void {
    const file = this.#config.tls.crl?.file;
    if (file === this.#watched?.file) return;
    this.#watched?.watch.close();
    this.#watched = undefined;
    if (file === undefined) return;
    const read = () => this.#readRevocations(file);
    // Once more at the start: it may have changed since the configuration was read.
    this.#watched = { file, watch: watchFile(file, read, read) };
  }

  #readRevocations(file: string): void {
    this.#gateway?.forgetWarnings();
    try {
      const pem = this.#options.read(file);
      this.#tls.setCrl(pem);
      this.#packets?.setCrl(pem);
      this.#log.info('revocation list read', { file });
      this.#gateway?.handleRevocations();
    } catch (error) {
      this.#gateway?.warn(`${file} was not taken, the list before stays in force: ${(error as Error).message}`);
    }
  }
}

function checkPrivileges(): void {
  if (mayConfigureNetwork(readFileSync('/proc/self/status', 'utf8'))) return;
  throw new GatewayError('CULVERT_GATEWAY_PRIVILEGE', 'CAP_NET_ADMIN; start it as root or by its systemd unit');
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
