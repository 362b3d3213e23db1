/**
 * The demonstration behind scripts/quickstart: three hosts in network namespaces, and Culvert's three programs as a user runs them.
 *
 *     client ───── gateway ───── office (web server)
 *       192.0.2.0/24   10.77.0.0/24, fd77::/64           inside the tunnel: 10.88.0.0/24 and fd88::/64
 */
import { mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { eventually, type HostProcess, Lab, type TestHost } from '@culvert/testkit';

const root = fileURLToPath(new URL('..', import.meta.url));
const programs = {
  ca: `${root}packages/ca/bin/culvert-ca`,
  gateway: `${root}packages/gateway/bin/culvertd`,
  client: `${root}packages/client/bin/culvert`,
};
const OFFICE = { ipv4: '10.77.0.2', ipv6: 'fd77::2' } as const;
const GATEWAY = '192.0.2.1';

interface Demo {
  readonly lab: Lab;
  readonly client: TestHost;
  readonly gateway: TestHost;
  readonly office: TestHost;
  /** For the client's program: where its profiles and its state are. */
  readonly env: Readonly<Record<string, string>>;
  readonly config: string;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
  const lab = new Lab();
  const interrupted = Promise.withResolvers<void>();
  /** By the convention of shells: 128 and the signal's number. */
  let exitCode = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      exitCode = 128 + constants.signals[signal];
      interrupted.resolve();
    });
  }
  // What an interruption cuts short may fail after its hosts are gone: that is no news then.
  const shown = show(lab, values.keep).catch((error: unknown) => {
    if (exitCode !== 0) return;
    exitCode = 1;
    console.log(`\nThat failed: ${String(error)}`);
  });
  await Promise.race([shown, interrupted.promise]);
  if (values.keep && exitCode === 0) {
    await interrupted.promise;
    exitCode = 0; // That is how it is meant to end.
  }
  console.log('\nCleaning up.');
  await lab.close();
  process.exit(exitCode);
}

async function show(lab: Lab, keep: boolean): Promise<void> {
  heading('Certificates (culvert-ca)');
  await makeCertificates(lab);
  heading('Three hosts in network namespaces of their own: client, gateway, office');
  const demo = await buildHosts(lab);
  heading('The gateway (culvertd) and the client (culvert)');
  await startPrograms(demo);
  heading('Through the tunnel, from the client to the office');
  await useTunnel(demo);
  heading('What runs');
  await showStatus(demo);
  if (keep) tellHowToPlay(demo);
  tellWhatNext();
}

async function makeCertificates(lab: Lab): Promise<void> {
  const host = await lab.createHost('ca');
  const dir = join(lab.folder, 'ca');
  const ca = (...words: string[]) => runShown(host, programs.ca, [...words, '--dir', dir]);
  await ca('init', '--name', 'Quickstart CA', '--no-passphrase');
  await ca('issue', 'server', 'vpn.example.com', '--out', join(lab.folder, 'server'));
  await ca('issue', 'client', 'alice');
  await ca('export', 'alice', '--remote', GATEWAY, '--out', join(lab.folder, 'office.ovpn'));
}

async function buildHosts(lab: Lab): Promise<Demo> {
  const [client, gateway, office] = [
    await lab.createHost('client'),
    await lab.createHost('gateway'),
    await lab.createHost('office'),
  ];
  await lab.joinHosts(client, gateway, { addresses: [['192.0.2.2/24'], [`${GATEWAY}/24`]] });
  await lab.joinHosts(gateway, office, {
    addresses: [
      ['10.77.0.1/24', 'fd77::1/64'],
      [`${OFFICE.ipv4}/24`, `${OFFICE.ipv6}/64`],
    ],
  });
  await client.ip(`route add default via ${GATEWAY}`);
  const state = join(lab.folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  const env = { CULVERT_PROFILES: join(lab.folder, 'profiles'), CULVERT_RUN: join(lab.folder, 'run') };
  const config = lab.write('culvertd.yaml', gatewayConfig(lab.folder, state));
  done('the client has no way to the office but the tunnel');
  return { lab, client, gateway, office, env, config };
}

function gatewayConfig(folder: string, state: string): string {
  const server = join(folder, 'server');
  return `state: ${state}
control: ${state}/culvertd.sock
network: { ipv4: 10.88.0.0/24, ipv6: fd88::/64, mode: nat }
push: { routes: [10.77.0.0/24, fd77::/64] }
tls:
  ca: ${server}/ca.crt
  certificate: ${server}/vpn.example.com.crt
  privateKey: ${server}/vpn.example.com.key
  crl: { file: ${server}/crl.pem }
transports:
  openvpn:
    listen: [{ protocol: udp, port: 1194 }]
    wrap: { tlsCryptV2: ${server}/tls-crypt-v2-server.key }
`;
}

async function startPrograms({ lab, client, gateway, env, config }: Demo): Promise<void> {
  await runShown(gateway, programs.gateway, ['check', '--config', config]);
  await gateway.spawn(programs.gateway, ['run', '--config', config]).waitFor(/listening/);
  done('culvertd listens on UDP port 1194');
  await runShown(client, programs.client, ['import', join(lab.folder, 'office.ovpn'), '--name', 'office'], env);
  await client.spawn(programs.client, ['up', 'office'], { env }).waitFor(/\bup\b/, 30_000);
  done('culvert is up, from the same one-file profile that any OpenVPN client takes');
}

async function useTunnel({ client, office }: Demo): Promise<void> {
  await startWebServer(office);
  for (const address of [OFFICE.ipv4, OFFICE.ipv6]) {
    await eventually('the office answers', async () => (await ping(client, address, 1).exited).code === 0);
    const { stdout } = await ping(client, address, 5).succeeded();
    const [, loss = '', time = ''] = /, ([\d.]+% packet loss).*= [\d.]+\/([\d.]+)/s.exec(stdout) ?? [];
    done(`ping ${address}: ${loss}, ${time} ms`);
  }
  for (const url of [`http://${OFFICE.ipv4}/`, `http://[${OFFICE.ipv6}]/`]) {
    done(`curl ${url}: ${(await client.exec('curl', ['-sS', '--max-time', '10', url])).trim()}`);
  }
  await office.spawn('iperf3', ['--server', '--forceflush']).waitFor('Server listening');
  for (const [what, extra] of [
    ['upload', []],
    ['download', ['--reverse']],
  ] as const) {
    const report = await client.exec('iperf3', ['-c', OFFICE.ipv4, '--time', '3', '--json', ...extra]);
    const { end } = JSON.parse(report) as { end: { sum_received: { bits_per_second: number } } };
    done(`${what}: ${(end.sum_received.bits_per_second / 1e6).toFixed(0)} Mbit/s`);
  }
}

function ping(host: TestHost, address: string, count: number): HostProcess {
  return host.spawn('ping', ['-c', String(count), '-i', '0.2', '-W', '2', address]);
}

async function startWebServer(office: TestHost): Promise<void> {
  const program = `
    require('node:http')
      .createServer((request, response) => response.end('hello from the office, ' + request.socket.remoteAddress.replace('::ffff:', '') + '\\n'))
      .listen(80, '::', () => console.log('serving'));`;
  await office.spawn(process.execPath, ['--eval', program]).waitFor('serving');
}

async function showStatus({ client, gateway, env, config }: Demo): Promise<void> {
  await runShown(gateway, programs.gateway, ['status', '--config', config]);
  await runShown(client, programs.client, ['status'], env);
}

function tellHowToPlay({ client, gateway, lab, config }: Demo): void {
  const inside = (host: TestHost, command: string) => `  ip netns exec ${host.name} ${command}`;
  console.log(`
It keeps running until Ctrl-C. In another terminal, as root:
${inside(client, `curl http://${OFFICE.ipv4}/`)}
${inside(client, 'ip route')}
${inside(gateway, `${programs.gateway} status --config ${config}`)}
  less ${lab.folder}/culvertd.yaml`);
}

function tellWhatNext(): void {
  console.log(`
Next
  play with it       sudo scripts/quickstart --keep
  install for real   sudo scripts/install
  your own CA        culvert-ca init --name "Example Office CA"
                     culvert-ca issue server vpn.example.com --out /etc/culvert
                     culvert-ca issue client alice
                     culvert-ca export alice --remote vpn.example.com
  your gateway       cp docs/culvertd.yaml /etc/culvert/, edit it, culvertd check
                     systemctl enable --now culvertd
  read               docs/getting-started.md`);
}

/** Runs one of our programs and shows the command and what it says, as a user sees it. */
async function runShown(
  host: TestHost,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  console.log(`  $ ${program.split('/').at(-1)} ${args.map(quoted).join(' ')}`);
  const output = await host.exec(program, args, { env });
  if (output.trim() !== '') console.log(output.trimEnd().replace(/^/gm, '    '));
}

function quoted(word: string): string {
  return /^[\w./:@=-]+$/.test(word) ? word : `'${word}'`;
}

function heading(text: string): void {
  console.log(`\n${text}`);
}

function done(text: string): void {
  console.log(`  ✓ ${text}`);
}

await main();
