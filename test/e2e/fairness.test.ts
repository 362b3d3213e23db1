/** One link's flood is not another link's loss. The topology is drawn in office.ts; the flood and the pings share culvertd and its device. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labIsPossible, type TestHost } from '@culvert/testkit';
import { Office, officeAddress } from './office.ts';

const PINGS = 200;
/** The kernel drops at random while a busy machine gives us no processor; a queue without fairness loses the flood's own share: 50 % and more. */
const MOST_LOST = 0.2;

async function lossOf(host: TestHost): Promise<number> {
  const ping = host.spawn('ping', ['-n', '-i', '0.01', '-W', '2', '-c', String(PINGS), officeAddress.ipv4]);
  await ping.exited;
  const [, sent, received] = ping.stdout.match(/(\d+) packets transmitted, (\d+) received/) ?? [];
  return 1 - Number(received) / Number(sent);
}

/** A flood as fast as one program can send, from the office to the host (`reverse`) or back; ends when stopped. */
async function flood(office: Office, host: TestHost, extra: readonly string[]): Promise<void> {
  await office.host('office').spawn('iperf3', ['--server', '--one-off', '--forceflush']).waitFor('Server listening');
  const words = ['--client', officeAddress.ipv4, '--time', '60', '--forceflush', '--interval', '0.2', ...extra];
  await host.spawn('iperf3', words).waitFor(/sec .* bits\/sec/);
}

for (const [what, words] of [
  ['small datagrams to a link', ['--udp', '--bitrate', '0', '--length', '64', '--reverse']],
  ['large datagrams to a link', ['--udp', '--bitrate', '0', '--length', '1300', '--reverse']],
  ['small datagrams from a link', ['--udp', '--bitrate', '0', '--length', '64']],
  ['TCP streams to a link', ['--parallel', '8', '--reverse']],
] as const) {
  test(`another link's pings pass a flood of ${what}`, async (t) => {
    if (!labIsPossible(t, ['ping', 'iperf3'])) return;
    await using office = await Office.open();
    await office.startGateway();
    await office.connect(office.host('laptop'), 'alice');
    await office.connect(office.host('phone'), 'bob');
    await flood(office, office.host('laptop'), words);
    const lost = await lossOf(office.host('phone'));
    t.diagnostic(`${(100 * lost).toFixed(1)} % lost`);
    assert.ok(lost < MOST_LOST, `${(100 * lost).toFixed(1)} % lost`);
  });
}
