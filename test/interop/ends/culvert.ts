/** Our own programs as either end, started as a user starts them: culvertd from a YAML file, culvert from the .ovpn file that openvpn takes. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HostProcess, inTime, type TestHost } from '@culvert/testkit';
import type { End, Program, Reasons, Scenario } from '../end.ts';
import { inner, officeNetworks, password, type World } from '../world.ts';
import { clientConfig } from './openvpn.ts';

const project = fileURLToPath(new URL('../../..', import.meta.url));
const programs = {
  culvertd: `${project}packages/gateway/bin/culvertd`,
  culvert: `${project}packages/client/bin/culvert`,
};

const reasons: Reasons = {
  server: {
    foreign: /signed by a CA that is not ours/,
    expired: /certificate expired on/,
    revoked: /certificate was revoked/,
    'wrong-password': /password is wrong|wrong password/,
  },
  // Version 2.6 sends no alert over UDP: then we can only name what is likely when the deadline ends.
  client: () => {
    const certificate =
      /refused our certificate|our own certificate expired|servers up to OpenVPN 2\.6 (?:fall silent|end the connection)/;
    return {
      foreign: certificate,
      expired: certificate,
      revoked: certificate,
      'wrong-password': /authentication failed/,
    };
  },
};

export const culvert: Program = {
  name: 'culvert',
  reasons,
  version: async () => (JSON.parse(readFileSync(`${project}package.json`, 'utf8')) as { version: string }).version,
  startServer,
  startClient: async (world, scenario) => {
    const child = await startClient(world, scenario);
    return {
      ...endOf(child),
      up: async (within) => void (await child.waitFor(/\bup\b/, within)),
      refused: async (within) => void (await inTime('culvert gives up', child.exited, within)),
    };
  },
  keyExchanges: (log) => 1 + [...log.matchAll(/new (?:data )?keys/g)].length,
};

function endOf(child: HostProcess): End {
  return { log: () => child.output, stop: async (signal) => void (await child.stop(signal)) };
}

async function startServer(world: World, scenario: Scenario): Promise<End> {
  const { lab, gateway } = world;
  const state = join(lab.folder, 'culvertd');
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const config = lab.write('culvertd.yaml', serverConfig(world, scenario, state));
  if (scenario.password !== undefined) await addUser(gateway, config);
  const child = gateway.spawn(programs.culvertd, ['run', '--config', config]);
  await child.waitFor(/listening/);
  return endOf(child);
}

/** The store lives as long as the world, so that the user may be there already. */
async function addUser(gateway: TestHost, config: string): Promise<void> {
  const words = ['user', 'add', 'alice', '--config', config, '--password-file', '-'];
  const child = gateway.spawn(programs.culvertd, words, { input: `${password.right}\n` });
  const { code } = await child.exited;
  if (code !== 0 && !child.output.includes('is there already')) throw new Error(child.output);
}

function serverConfig(world: World, { protocol, password: shown, mtu, offload }: Scenario, state: string): string {
  const { ca, server, wrap } = world;
  return `
state: ${state}
control: ${state}/control.sock
network: { ipv4: ${inner.ipv4}, ipv6: ${inner.ipv6}, device: culvert0, mode: nat, mtu: ${mtu}, offload: ${offload.server} }
push:
  routes: [${officeNetworks.ipv4}, ${officeNetworks.ipv6}]
  dns: { servers: [10.77.0.2] }
tls:
  ca: ${ca.certificate}
  certificate: ${server.certificate}
  privateKey: ${server.key}
  crl: { file: ${ca.crl} }
auth: { certificate: required, password: ${shown === undefined ? 'none' : 'required'} }
transports:
  openvpn:
    listen: [{ protocol: ${protocol}, port: 1194 }]
    wrap: { tlsCryptV2: ${wrap.server} }
keepalive: { interval: 1s, timeout: 6s }
log: { level: debug }
`;
}

async function startClient(world: World, scenario: Scenario): Promise<HostProcess> {
  const { lab, client } = world;
  const env = { CULVERT_PROFILES: `${lab.folder}/profiles`, CULVERT_RUN: `${lab.folder}/run` };
  const profile = lab.write('office.ovpn', clientConfig(world, scenario));
  await client.exec(programs.culvert, ['import', profile, '--name', 'office', '--force'], { env });
  const words = ['up', 'office', '--log-level', 'debug', ...(scenario.offload.client ? [] : ['--no-offload'])];
  return client.spawn(programs.culvert, words, { env });
}
