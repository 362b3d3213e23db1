/**
 * The stage of the interop cases: four hosts, two networks outside, one office, and the credentials of everybody.
 *
 *     client ──── router ──── gateway ──── office
 *       192.0.2.0/24   198.51.100.0/24   10.77.0.0/24
 *       2001:db8:1::/64   2001:db8:2::/64   fd77::/64          inside the tunnel: 10.99.0.0/24 and fd99::/64
 *
 * The router knows no way to the office, so whatever reaches it went through the tunnel.
 */
import { type Identity, Lab, TestCa, type TestHost, tlsCryptV2Keys } from '@culvert/testkit';

export const gatewayAddress = { 4: '198.51.100.2', 6: '2001:db8:2::2' } as const;
export const office = { ipv4: '10.77.0.2', ipv6: 'fd77::2' } as const;
export const inner = { ipv4: '10.99.0.0/24', ipv6: 'fd99::/64' } as const;
export const officeNetworks = { ipv4: '10.77.0.0/24', ipv6: 'fd77::/64' } as const;

export const password = { right: 'correct horse battery staple', wrong: 'Tr0ub4dor&3' } as const;

export interface World {
  readonly lab: Lab;
  readonly client: TestHost;
  readonly gateway: TestHost;
  readonly office: TestHost;
  readonly ca: TestCa;
  readonly server: Identity;
  /** Who may dial in, and who may not and why. */
  readonly clients: Readonly<Record<ClientKind, Identity>>;
  /** Paths of the tls-crypt-v2 keys. */
  readonly wrap: { readonly server: string; readonly client: string };
}

export type ClientKind = 'good' | 'foreign' | 'expired' | 'revoked';

export async function buildWorld(): Promise<World> {
  const lab = new Lab();
  try {
    const [client, router, gateway, officeHost] = [
      await lab.createHost('client'),
      await lab.createHost('router'),
      await lab.createHost('gateway'),
      await lab.createHost('office'),
    ];
    await joinHosts(lab, client, router, gateway, officeHost);
    return { lab, client, gateway, office: officeHost, ...(await issueCredentials(lab)) };
  } catch (error) {
    await lab.close();
    throw error;
  }
}

async function joinHosts(lab: Lab, client: TestHost, router: TestHost, gateway: TestHost, officeHost: TestHost) {
  await lab.joinHosts(client, router, {
    addresses: [
      ['192.0.2.2/24', '2001:db8:1::2/64'],
      ['192.0.2.1/24', '2001:db8:1::1/64'],
    ],
  });
  await lab.joinHosts(router, gateway, {
    addresses: [
      ['198.51.100.1/24', '2001:db8:2::1/64'],
      ['198.51.100.2/24', '2001:db8:2::2/64'],
    ],
  });
  await lab.joinHosts(gateway, officeHost, {
    addresses: [
      ['10.77.0.1/24', 'fd77::1/64'],
      ['10.77.0.2/24', 'fd77::2/64'],
    ],
  });
  await router.forward();
  await gateway.forward();
  for (const [host, via4, via6] of [
    [client, '192.0.2.1', '2001:db8:1::1'],
    [gateway, '198.51.100.1', '2001:db8:2::1'],
    [officeHost, '10.77.0.1', 'fd77::1'],
  ] as const) {
    await host.ip(`route add default via ${via4}`);
    await host.ip(`-6 route add default via ${via6}`);
  }
}

async function issueCredentials(lab: Lab) {
  const [ca, foreignCa] = [
    await TestCa.create(`${lab.folder}/ca`, 'Interop CA'),
    await TestCa.create(`${lab.folder}/foreign`, 'Foreign CA'),
  ];
  const clients: Record<ClientKind, Identity> = {
    good: await ca.issue('alice', { role: 'client' }),
    foreign: await foreignCa.issue('mallory', { role: 'client' }),
    expired: await ca.issue('oldie', { role: 'client', from: '20200101000000Z', until: '20210101000000Z' }),
    revoked: await ca.issue('leaver', { role: 'client' }),
  };
  await ca.revoke(clients.revoked);
  const server = await ca.issue('vpn.example', { role: 'server' });
  return { ca, server, clients, wrap: await tlsCryptV2Keys(lab) };
}
