/**
 * strongSwan with ESP in userspace (its plugin kernel-libipsec): IKEv2, tunnel mode, AES-256-GCM, ESP in UDP, a device ipsec0. Both ends
 * are charon, each in a mount namespace of its own, since its control socket and its configuration have fixed places.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, type HostProcess, type TestHost } from '@culvert/testkit';
import { gatewayAddress, officeNetworks, type World } from '../../interop/world.ts';

const common = `
    version = 2
    proposals = aes256-sha256-ecp256
    encap = yes
    mobike = no
`;
const secret = 'secrets { ike { secret = "a key for everyone" } }';
const auth = 'local { auth = psk }\n    remote { auth = psk }';
const suite = 'esp_proposals = aes256gcm16';

const serverConfig = `
connections {
  office {${common}
    local_addrs = ${gatewayAddress[4]}
    pools = inside
    ${auth}
    children { net { local_ts = ${officeNetworks.ipv4}
      ${suite} } }
  }
}
pools { inside { addrs = 10.99.0.2-10.99.0.100 } }
${secret}
`;

const clientConfig = `
connections {
  office {${common}
    remote_addrs = ${gatewayAddress[4]}
    vips = 0.0.0.0
    ${auth}
    children { net { remote_ts = ${officeNetworks.ipv4}
      ${suite} } }
  }
}
${secret}
`;

const plugins = 'random nonce openssl kdf pem kernel-libipsec kernel-netlink socket-default vici';

/** Resolves when it listens. */
export async function startStrongswanServer(world: World): Promise<HostProcess> {
  const { child } = await startCharon(world, world.gateway, serverConfig);
  return child;
}

/** Resolves when the SA stands. Its devices keep their MTU of 1,400: charon reads no more of a packet. */
export async function startStrongswanClient(world: World): Promise<HostProcess> {
  const { child, control } = await startCharon(world, world.client, clientConfig);
  await control('--initiate --child net --timeout 10');
  return child;
}

async function startCharon(
  { lab }: World,
  host: TestHost,
  config: string,
): Promise<{ readonly child: HostProcess; readonly control: (command: string) => Promise<unknown> }> {
  const folder = join(lab.folder, `charon-${process.hrtime.bigint()}`);
  mkdirSync(folder);
  const name = folder.slice(lab.folder.length + 1);
  const settings = lab.write(`${name}/strongswan.conf`, `charon { load = ${plugins}\n install_routes = yes\n }\n`);
  const connections = lab.write(`${name}/swanctl.conf`, config);
  const own = `mount -t tmpfs none /run && mount --bind ${settings} /etc/strongswan.conf`;
  const child = host.spawn('unshare', ['--mount', 'sh', '-c', `${own} && exec /usr/lib/ipsec/charon`]);
  const inside = (command: string) =>
    host.exec('nsenter', ['--mount', '--target', String(child.pid), 'sh', '-c', `swanctl ${command}`]);
  await eventually('charon takes its configuration', async () => {
    try {
      await inside(`--load-all --file ${connections}`);
      return true;
    } catch {
      return false;
    }
  });
  return { child, control: inside };
}
