/** The real openvpn program as a peer on a test host. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { Millis } from '@culvert/base';
import type { HostProcess, ProcessEnd } from '../namespaces/host-process.ts';
import type { Lab, TestHost } from '../namespaces/lab.ts';

const run = promisify(execFile);

/** Its own words for "up" (openvpn init.c). */
const UP = 'Initialization Sequence Completed';

export interface OpenvpnOptions {
  /** Directives, one a line, as in its configuration file; `<ca>` and other inline blocks included. */
  readonly config: string;
  /** Names its files in the lab's folder. */
  readonly label: string;
}

export class OpenvpnPeer {
  readonly process: HostProcess;

  constructor(process: HostProcess) {
    this.process = process;
  }

  get log(): string {
    return this.process.output;
  }

  /** Waits for the link to be up; a server is up when it listens. */
  async up(within: Millis = 60_000): Promise<void> {
    await this.process.waitFor(UP, within);
  }

  /** How often the link came up, and how often keys were agreed on ("Data Channel: cipher" for each key in 2.6). */
  count(pattern: RegExp): number {
    return [...this.log.matchAll(new RegExp(pattern, 'g'))].length;
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ProcessEnd> {
    return this.process.stop(signal);
  }
}

export function startOpenvpn(lab: Lab, host: TestHost, options: OpenvpnOptions): OpenvpnPeer {
  const path = lab.write(`${options.label}.ovpn`, options.config);
  return new OpenvpnPeer(host.spawn('openvpn', ['--config', path], { cwd: lab.folder }));
}

/** "2.6.14", or undefined where openvpn is not installed. */
export async function openvpnVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await run('openvpn', ['--version']);
    return /^OpenVPN (\S+)/.exec(stdout)?.[1];
  } catch (error) {
    // Some versions print their version and exit with code 1.
    return /^OpenVPN (\S+)/.exec((error as { stdout?: string }).stdout ?? '')?.[1];
  }
}

/** Keys for --tls-crypt-v2, made by openvpn itself: paths of the server's key and of a client's. */
export async function tlsCryptV2Keys(lab: Lab): Promise<{ server: string; client: string }> {
  const tag = randomBytes(3).toString('hex');
  const [server, client] = [`${lab.folder}/v2-server-${tag}.key`, `${lab.folder}/v2-client-${tag}.key`];
  await run('openvpn', ['--genkey', 'tls-crypt-v2-server', server]);
  await run('openvpn', ['--tls-crypt-v2', server, '--genkey', 'tls-crypt-v2-client', client]);
  return { server, client };
}
