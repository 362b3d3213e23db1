/**
 * The gateway as a process: opens what touches the machine in order, joins it, and closes it in reverse.
 *
 * Owns signals, the control socket and the watches of files and users. Leaves what they mean to `gateway.ts`.
 */
import { readFileSync } from 'node:fs';
import type { CloseReason, Logger } from '@culvert/base';
import { formatProblem, type GatewayConfig, type LoadedConfig } from '@culvert/config';
import { openStoreThread, PasswordHasher, type Store } from '@culvert/store';
import { IdleMemory, systemClock } from '@culvert/transport';
import type { ControlRequest } from './control-protocol.ts';
import { openControl } from './control-server.ts';
import { GatewayError } from './errors.ts';
import { Gateway } from './gateway.ts';
import { GatewayHost } from './gateway-host.ts';
import { GatewayTls, type ReadText } from './gateway-tls.ts';
import { type LeaseMemory, openLeaseMemory } from './lease-memory.ts';
import { NtHashes } from './nt-hashes.ts';
import { openPacketPath, type PacketPath } from './packet-path.ts';
import { journalFile, secretKeyFile, usersFile } from './paths.ts';
import { makeDirectories, mayConfigureNetwork } from './privileges.ts';
import { compareConfigs, type ReloadReport, withoutRestart } from './reload.ts';
import { remindersOf } from './reminders.ts';
import { RevocationWatch } from './revocation-watch.ts';
import { needsNtHash, provesByMsChapV2 } from './transport-groups.ts';

export interface DaemonOptions {
  readonly config: GatewayConfig;
  readonly log: Logger;
  readonly version: string;
  readonly read: ReadText;
  /** A descriptor of /dev/net/tun that root opened. */
  readonly tunFd: number | undefined;
  /** The configuration as it is in the file now, and what of its files could not be read but as root opened them at the start. */
  load(): LoadedConfig & { readonly notRead: readonly string[] };
}

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
  readonly #revocations = new RevocationWatch((file) => this.#readRevocations(file));
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
    const ntHashes = await daemon.#openNtHashes(store);
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
    opened.defer(() => daemon.#revocations.close());
    const memory = new IdleMemory({ log });
    opened.defer(() => memory.close());
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
      reminders: remindersOf(config),
      isRevoked: (der) => this.#tls.isRevoked(der),
      setNetworksBehind: (networks) => host.setNetworksBehind(networks),
    });
  }

  /** NT hashes are kept of users for whom a transport proves passwords by MS-CHAPv2, and of nobody else. */
  async #openNtHashes(store: Store): Promise<NtHashes | undefined> {
    const config = this.#config;
    const isOn = provesByMsChapV2(config);
    const users = await store.users();
    const idle = users.filter(({ hasNtHash, groups }) => hasNtHash && !needsNtHash(groups, config));
    const forgotten = await store.forgetNtHashes(idle.map(({ name }) => name));
    const why = isOn ? 'no transport with MS-CHAPv2 is for their users' : 'no transport with MS-CHAPv2 is on';
    if (forgotten > 0) this.#log.info(`NT hashes forgotten, as ${why}`, { users: forgotten });
    return isOn ? new NtHashes(secretKeyFile(config)) : undefined;
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
      case 'explain':
        return gateway.explain(request.which);
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
    const { config: loaded, problems, notRead } = this.#options.load();
    if (loaded === undefined) {
      const mistakes = problems.filter(({ severity }) => severity === 'error').map(formatProblem);
      throw new GatewayError('CULVERT_GATEWAY_RELOAD', mistakes.map((mistake) => `\n  ${mistake}`).join(''));
    }
    const report = { ...compareConfigs(this.#config, loaded), notRead };
    const config = withoutRestart(this.#config, loaded);
    this.#gateway?.forgetWarnings();
    try {
      this.#tls.reload(config, this.#options.read);
      this.#packets?.reload(config);
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

  /** Follows the files of the configuration in force. */
  #watchRevocations(): void {
    this.#revocations.follow(Object.values(this.#revocationLists()).filter((file) => file !== undefined));
  }

  #revocationLists(): Readonly<Record<'tls' | 'ipsec', string | undefined>> {
    const { tls, transports } = this.#config;
    const { enabled, certificate } = transports.l2tpIpsec;
    return { tls: tls.crl?.file, ipsec: enabled ? certificate?.crl : undefined };
  }

  #readRevocations(file: string): void {
    this.#gateway?.forgetWarnings();
    try {
      const pem = this.#options.read(file);
      const { tls, ipsec } = this.#revocationLists();
      if (file === tls) {
        this.#tls.setCrl(pem);
        this.#packets?.setCrl(pem);
      }
      if (file === ipsec) this.#packets?.setIpsecCrl(pem);
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
