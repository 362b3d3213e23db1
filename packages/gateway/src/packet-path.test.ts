/** The device that the gateway opens or was given, in a network namespace of this process' own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { enterFreshNamespace, RecordingLogger } from '@culvert/testkit';
import { configOf } from '../test/fixtures.ts';
import type { GatewayTls } from './gateway-tls.ts';
import { openPacketPath } from './packet-path.ts';

const skip = enterFreshNamespace();

/** TUNSETIFF with a name and flags, of Debian's base system. */
const attach = (name: string, flags: number) =>
  `open(my $tun, '+<&=', 3) or die $!; my $r = pack('a16 S x22', '${name}', ${flags}); ioctl($tun, 0x400454ca, $r) or die $!`;
const IFF_TUN_NO_PI = 0x1001;
const IFF_VNET_HDR = 0x4000;

/** What is said of a device that was opened and attached by somebody else. */
async function saidOf(flags: number, offload: boolean): Promise<string> {
  const fd = openSync('/dev/net/tun', 'r+');
  execFileSync('perl', ['-e', attach('given0', flags)], { stdio: ['ignore', 'inherit', 'inherit', fd] });
  const log = new RecordingLogger();
  const { network, ...rest } = configOf();
  const packets = await openPacketPath({
    config: { ...rest, network: { ...network, offload } },
    log,
    tls: {} as GatewayTls,
    read: () => '',
    tunFd: fd,
    onWarning: () => {},
    onGone: () => {},
  }).catch((error) => {
    closeSync(fd);
    throw error;
  });
  assert.equal(packets.deviceName, 'given0');
  await packets.close();
  return log.text;
}

test('a device without virtio headers is told of once, with what it lacks', { skip }, async () => {
  const said = await saidOf(IFF_TUN_NO_PI, true);
  assert.match(said, /info the device lacks offloads.* device=given0 missing=csum, tso4, tso6, ecn, uso4, uso6/);
  assert.equal(said.match(/lacks offloads/g)?.length, 1);
});

test('offloads that nobody wants are not missed, and those that are there are not', { skip }, async () => {
  assert.doesNotMatch(await saidOf(IFF_TUN_NO_PI, false), /lacks/);
  assert.doesNotMatch(await saidOf(IFF_TUN_NO_PI | IFF_VNET_HDR, true), /missing=.*tso4/);
});
