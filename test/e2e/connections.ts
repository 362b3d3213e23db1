/** Connections as NetworkManager writes them (.nmconnection). */

export interface ConnectionOptions {
  readonly gateway: string;
  readonly password: string;
  /** Lines more of the group vpn, of its secrets, and of the group ipv4. */
  readonly vpn?: string;
  readonly secrets?: string;
  readonly ipv4?: string;
}

export function pptpConnection(options: ConnectionOptions): string {
  const vpn = `refuse-chap=yes
refuse-eap=yes
refuse-mschap=yes
refuse-pap=yes
require-mppe-128=yes
service-type=org.freedesktop.NetworkManager.pptp`;
  return connection(options, vpn);
}

export function l2tpConnection(options: ConnectionOptions & { readonly psk: string }): string {
  const vpn = `ipsec-enabled=yes
service-type=org.freedesktop.NetworkManager.l2tp`;
  return connection({ ...options, secrets: `ipsec-psk=${options.psk}` }, vpn);
}

function connection({ gateway, password, vpn = '', secrets = '', ipv4 = '' }: ConnectionOptions, own: string): string {
  return `[connection]
id=Office
type=vpn

[vpn]
gateway=${gateway}
user=alice
${own}
${vpn}

[vpn-secrets]
password=${password}
${secrets}

[ipv4]
method=auto
${ipv4}
`;
}
