# pptpd and pppd in a guest (see guests/init.sh): `serve` starts it with options of pppd's, lines on its input.
printf '"alice" * "%s" *\n' "$PASSWORD" >/etc/ppp/chap-secrets
chmod 600 /etc/ppp/chap-secrets

# Router advertisements with the network of $PREFIX, as pppd sends none; several, since IPv4 and its encryption may come up later.
cat >/run/advertise.pl <<'X'
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6 AF_INET6);
my ($index, $prefix) = @ARGV;
socket(my $s, AF_INET6, SOCK_RAW, 58) or die "socket: $!\n";
setsockopt $s, 41, 18, pack('i', 255) or die "hops: $!\n"; # IPV6_MULTICAST_HOPS
setsockopt $s, 41, 17, pack('i', $index) or die "device: $!\n"; # IPV6_MULTICAST_IF
my $advertisement = pack('CCnCCnNN', 134, 0, 0, 64, 0, 1800, 0, 0) . pack('CCCCNNN', 3, 4, 64, 0xc0, 86400, 14400, 0) . inet_pton(AF_INET6, $prefix);
for (1 .. 5) {
    send $s, $advertisement, 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, 'ff02::1'), $index) or die "send: $!\n";
    select undef, undef, undef, 0.3;
}
X
cat >/etc/ppp/ipv6-up <<X
#!/bin/sh
export GLIBC_TUNABLES=$GLIBC_TUNABLES # pppd hands nothing down
ip address add ${PREFIX}1/64 dev \$1 nodad
perl /run/advertise.pl \$(cat /sys/class/net/\$1/ifindex) $PREFIX >>/run/advertise.log 2>&1 &
X
chmod +x /etc/ppp/ipv6-up
printf 'option /run/options\nlocalip %s\nremoteip %s\n' "$LOCAL" "$POOL" >/run/pptpd.conf

is_listening() { grep -q ':06BB 00000000:0000 0A' /proc/net/tcp; }
is_deaf() { ! is_listening; }
serve() {
  { cat <<X
name pptpd
refuse-pap
refuse-chap
refuse-mschap
refuse-eap
require-mschap-v2
+ipv6
nodefaultroute
mtu 1400
mru 1400
lcp-restart 1
chap-restart 1
debug
logfile /run/pppd.log
X
  cat
  } >/run/options
  pptpd -f -c /run/pptpd.conf -p /run/pptpd.pid >/run/pptpd.log 2>&1 &
  wait_for 50 is_listening
}
no_pppd() { ! pidof pppd; }
# stop: each pppd takes leave of its peer, then pptpd ends with its processes of one connection each
stop() {
  no_pppd || kill $(pidof pppd)
  wait_for 50 no_pppd || return 1
  kill $(pidof pptpd)
  wait_for 50 is_deaf
}
# has_link_to ADDRESS: it is a peer's, not somewhere behind the default route
has_link_to() { ip route get "$1" | grep -q 'dev ppp'; }
