/**
 * Our end of a tunnel of PPP as a program: a transport, a core and a TUN device, with an admission that knows one password.
 *
 *   end.ts serve JSON
 *   end.ts dial JSON...        several links at once, each with a device of its own: culvert0, culvert1 and so on
 *
 * It says what happens in lines of a word and JSON: "listening", "event", "up", "closed", "failed". SIGTERM ends it in order.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import {
  type Admission,
  type Link,
  type LinkConfig,
  type Listener,
  type PacketDevice,
  type Transport,
  TunnelCore,
  type TunnelCoreOptions,
} from '@culvert/core';
import { ntPasswordHash, verifyMsChapV2 } from '@culvert/ppp';
import { nullLogger, sampleConfig } from '@culvert/testkit';
import { DevicePump, joinFor, systemClock } from '@culvert/transport';
import { openTun, type TunDevice } from '@culvert/tun-tap';

export interface EndOptions {
  readonly offload?: boolean;
  readonly ipv6?: boolean;
}

export interface ServeEndOptions extends EndOptions {
  readonly password: string;
}

/** How a transport listens and dials by the options that the program was given. */
export interface Ways<Serve extends ServeEndOptions, Dial extends EndOptions> {
  listen(options: Serve, join: number, on: Parameters<Transport<unknown, unknown>['listen']>[1]): Promise<Listener>;
  dial(options: Dial, join: number, on: Parameters<Transport<unknown, unknown>['dial']>[1]): Promise<Link>;
}

const DEVICE = 'culvert';
const MTU = 1_500;
/** A link is told without IPv6 where no router says anything for 3 s, which a guest's may on a busy machine: it comes later then. */
const LATE_ROUTER_MILLIS = 15_000;
/** Of `sampleConfig`: what its links' addresses lie in, and the gateway's own. */
const networks = ['10.99.0.0/16', 'fd99::/64'];
const gateways = ['10.99.0.1/16', 'fd99::1/64'];

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());

function say(word: string, value: unknown): void {
  console.log(`${word} ${JSON.stringify(value)}`);
}

function openDevice({ offload = true }: EndOptions, index = 0) {
  return openTun({ name: `${DEVICE}${index}`, vnetHeader: offload, offloads: offload ? 'best' : [] });
}

function addAddress({ name }: TunDevice, address: string): void {
  const noDad = address.includes(':') ? ['nodad'] : [];
  execFileSync('ip', ['address', 'replace', address, 'dev', name, ...noDad]);
}

function createCore(role: TunnelCoreOptions['role'], device: PacketDevice): TunnelCore {
  return new TunnelCore({ role, device, mtu: MTU, log: nullLogger, now: () => systemClock.now() });
}

function pump(device: ReturnType<typeof openTun>, core: TunnelCore): DevicePump {
  return new DevicePump({
    device,
    virtio: device.vnetHeader,
    core: () => core,
    clock: systemClock,
    log: nullLogger,
    onGone: (error) => {
      throw error;
    },
  });
}

function sayLink(link: Link): void {
  const { id, config, facts, path } = link;
  say('up', { id, facts, mtu: config.mtu, ipv4: config.ipv4, ipv6: config.ipv6, remote: path.remote });
  void link.closed.then((reason) => say('closed', { id, ...reason, stats: link.stats }));
}

/** Every peer that knows the password gets the lowest free addresses. */
function admissionOf(password: string): Admission {
  const taken = new Set<number>();
  const refused = { kind: 'refused', reason: 'wrong password', tell: 'authentication failed' } as const;
  return {
    admit: async ({ response }) => {
      const material = response?.kind === 'mschapv2' ? verifyMsChapV2(response, ntPasswordHash(password)) : undefined;
      if (response === undefined || material === undefined) return refused;
      let index = 0;
      while (taken.has(index)) index++;
      taken.add(index);
      return {
        kind: 'admitted',
        principal: { user: response.username, groups: [], certificate: undefined, proofs: ['password'] },
        config: configOf(index),
        material,
        release: () => void taken.delete(index),
      };
    },
    reauthenticate: async () => refused,
  };
}

function configOf(index: number): LinkConfig {
  return sampleConfig(index, { mtu: MTU, routes: networks });
}

async function serve<Serve extends ServeEndOptions>(options: Serve, listen: Ways<Serve, EndOptions>['listen']) {
  using device = openDevice(options);
  device.setUp();
  for (const own of gateways) addAddress(device, own);
  const core = createCore('gateway', device);
  const pumping = pump(device, core);
  const listener = await listen(options, joinFor(device), {
    admission: admissionOf(options.password),
    onLink: (link) => {
      core.attach(link);
      sayLink(link);
    },
    onEvent: (event) => say('event', event),
    log: nullLogger,
    signal: new AbortController().signal,
  });
  say('listening', listener.endpoints);
  await stopped();
  await listener.close({ cause: 'shutdown', detail: 'the gateway stops' });
  say('stats', listener.stats);
  pumping.close();
}

async function dial<Dial extends EndOptions>(
  options: Dial,
  index: number,
  call: Ways<ServeEndOptions, Dial>['dial'],
): Promise<void> {
  using device = openDevice(options, index);
  device.setUp();
  const core = createCore('client', device);
  const pumping = pump(device, core);
  try {
    const on = { onEvent: (event: unknown) => say('event', event), log: nullLogger, signal: stopping.signal };
    const link = await call(options, joinFor(device), on);
    core.attach(link);
    if (options.ipv6 !== false) await routerHeard(link);
    configure(device, link.config);
    sayLink(link);
    const end = () => void link.close({ cause: 'operator', detail: 'stopped' });
    stopping.signal.addEventListener('abort', end, { once: true });
    await link.closed;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    say('failed', { code, message });
  }
  pumping.close();
}

async function routerHeard(link: Link): Promise<void> {
  const until = systemClock.now() + LATE_ROUTER_MILLIS;
  let isOver = false;
  void link.closed.then(() => {
    isOver = true;
  });
  while (link.config.ipv6 === undefined && !isOver && systemClock.now() < until) await setTimeout(50);
}

function configure(device: TunDevice, { mtu, ipv4, ipv6 }: LinkConfig): void {
  execFileSync('ip', ['link', 'set', device.name, 'mtu', String(mtu)]);
  if (ipv4 !== undefined) {
    addAddress(device, `${ipv4.address}/32`);
    execFileSync('ip', ['route', 'replace', `${ipv4.gateway}/32`, 'dev', device.name]);
  }
  if (ipv6 !== undefined) addAddress(device, `${ipv6.address}/${ipv6.prefix}`);
}

function stopped(): Promise<void> {
  if (stopping.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => stopping.signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** The program. */
export async function runEnd<Serve extends ServeEndOptions, Dial extends EndOptions>(ways: Ways<Serve, Dial>) {
  const [what, ...texts] = process.argv.slice(2);
  if (what === 'serve') await serve(JSON.parse(texts[0] ?? '{}') as Serve, ways.listen);
  else await Promise.all(texts.map((text, index) => dial(JSON.parse(text) as Dial, index, ways.dial)));
}
