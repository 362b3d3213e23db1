/** Directives that a profile may hold and Culvert does not act on, and why. Everything else is in `openvpn-profile-directives.ts`. */

/** Left out without a word: how OpenVPN's own process runs, what we always do, what the server pushes anyway. */
export const harmless: ReadonlySet<string> = new Set(
  `allow-compression allow-deprecated-insecure-static-crypto allow-nonadmin allow-pull-fqdn allow-recursive-routing auth-retry bcast-buffers
  bind-dev client comp-noadapt compat-mode daemon dev-node dhcp-internal dhcp-pre-release dhcp-release dhcp-renew dh disable-dco disable-occ
  dns-updown ecdh-curve echo errors-to-stderr fast-io force-tls-key-material-export group http-proxy-option http-proxy-retry http-proxy-timeout http-proxy-user-pass ifconfig-noexec ifconfig-nowarn ip-remote-hint ip-win32
  key-method keysize log log-append machine-readable-output max-routes mktun mlock mtu-disc mtu-test multihome mute mute-replay-warnings
  nice nobind ncp-disable no-name-remapping opt-verify parameter passtos pause-exit persist-key persist-local-ip persist-remote-ip persist-tun
  ping-timer-rem preresolve prng providers pull push-peer-info rcvbuf rdns-internal register-dns remap-usr1 remote-random-hostname replay-persist
  route-delay route-method route-metric script-security service setcon show-net-up single-session sndbuf socks-proxy-retry socket-flags
  status status-version suppress-timestamps syslog tap-sleep tcp-nodelay tcp-queue-limit tls-client tls-exit tls-timeout tmp-dir topology
  tran-window tun-ipv6 txqueuelen udp-mtu user verb win-sys windows-driver writepid`.split(/\s+/),
);

/** Programs that OpenVPN would start. A profile comes from someone else: nothing in it is ever executed. */
export const hooks: ReadonlySet<string> = new Set(
  `auth-gen-token-secret auth-user-pass-verify client-connect client-crresponse client-disconnect down down-pre ipchange iproute learn-address
  plugin route-pre-down route-up tls-crypt-v2-verify tls-export-cert tls-verify up up-delay up-restart`.split(/\s+/),
);

/** Left out with a warning: the connection works without, but the writer may have meant something. */
export const notApplied: Readonly<Record<string, string>> = {
  bind: 'a profile without it: Culvert takes a free local port',
  cd: 'a profile without it: relative paths are relative to the profile',
  chroot: 'a profile without it: Culvert has its own confinement',
  engine: 'a profile without it',
  'extra-crypto': 'a profile without it',
  ifconfig: 'addresses that the server pushes',
  'ifconfig-ipv6': 'addresses that the server pushes',
  'keying-material-exporter': 'a profile without it',
  'link-mtu': 'tun-mtu and mssfix instead',
  lladdr: 'a profile without it: there is no TAP device',
  local: 'a profile without it: the route decides the local address',
  lport: 'a profile without it: Culvert takes a free local port',
  management: 'a profile without it: `culvert status` tells what a management client would ask',
  'management-client': 'a profile without it',
  'management-client-group': 'a profile without it',
  'management-client-user': 'a profile without it',
  'management-forget-disconnect': 'a profile without it',
  'management-hold': 'a profile without it',
  'management-log-cache': 'a profile without it',
  'management-query-passwords': 'auth-user-pass: Culvert asks on the terminal',
  'management-query-proxy': 'a profile without it',
  'management-query-remote': 'a profile without it',
  'management-signal': 'a profile without it',
  'management-up-down': 'a profile without it',
  mark: 'a profile without it',
  'max-packet-size': 'a profile without it',
  'no-iv': 'a profile without it: packets always carry an IV',
  'no-replay': 'a profile without it: replay protection stays on',
  'redirect-private': 'route directives for the networks that are meant',
  'remote-cert-ku': 'remote-cert-tls server, which checks key usage as TLS defines it',
  'reneg-bytes': 'reneg-sec: packet limits follow from the cipher',
  'reneg-pkts': 'reneg-sec: packet limits follow from the cipher',
  'replay-window': 'a profile without it: the window is as large as the cipher needs',
  'route-gateway': 'a gateway that the server pushes',
  'route-ipv6-gateway': 'a gateway that the server pushes',
  'route-noexec': 'route-nopull',
  'session-timeout': 'a profile without it: the gateway limits sessions',
  'setenv-safe': 'a profile without it',
  shaper: "a profile without it: traffic shaping is the gateway's",
  'tls-cert-profile': 'a profile without it: signatures weaker than SHA-256 are refused',
  'tls-cipher': 'a profile without it: only forward-secret AEAD suites are offered',
  'tls-ciphersuites': 'a profile without it: only the suites of TLS 1.3 are offered',
  'tls-groups': 'a profile without it',
  'tun-mtu-extra': 'tun-mtu alone',
  'tun-mtu-max': 'tun-mtu alone',
  'x509-track': 'a profile without it',
  'x509-username-field': 'a profile without it',
};

/** The connection cannot be what the writer meant: an error. */
export const unsupported: Readonly<Record<string, string>> = {
  capath: 'ca with the certificates in one file',
  config: 'one file: what it includes, written here',
  cryptoapicert: 'cert and key as files or inline',
  fragment: 'a server without --fragment',
  'http-proxy': 'a remote that is reached without a proxy',
  'management-external-cert': 'cert and key as files or inline',
  'management-external-key': 'cert and key as files or inline',
  mode: 'a client profile',
  'pkcs11-id': 'cert and key as files or inline',
  'pkcs11-providers': 'cert and key as files or inline',
  secret: 'TLS with certificates: static keys have no forward secrecy',
  server: 'a client profile',
  'server-bridge': 'a client profile',
  'server-ipv6': 'a client profile',
  'socks-proxy': 'a remote that is reached without a proxy',
  'tls-server': 'a client profile',
  'verify-hash': 'peer-fingerprint, or ca with that certificate alone',
};
