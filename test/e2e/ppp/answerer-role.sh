# What pppd of an answerer has: a password, options, addresses of IPv6, and a look at its links.
for secrets in /etc/ppp/chap-secrets /etc/ppp/pap-secrets; do
  printf '"alice" * "%s" *\n' "$PASSWORD" >$secrets
  chmod 600 $secrets
done

# Router advertisements with the network of $PREFIX, as pppd sends none; several, since IPv4 and its encryption may come up later, on a busy
# machine much later.
cat >/run/advertise.pl <<'X'
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6 AF_INET6);
my ($index, $prefix) = @ARGV;
socket(my $s, AF_INET6, SOCK_RAW, 58) or die "socket: $!\n";
setsockopt $s, 41, 18, pack('i', 255) or die "hops: $!\n"; # IPV6_MULTICAST_HOPS
setsockopt $s, 41, 17, pack('i', $index) or die "device: $!\n"; # IPV6_MULTICAST_IF
my $advertisement = pack('CCnCCnNN', 134, 0, 0, 64, 0, 1800, 0, 0) . pack('CCCCNNN', 3, 4, 64, 0xc0, 86400, 14400, 0) . inet_pton(AF_INET6, $prefix);
for my $n (1 .. 120) {
    send $s, $advertisement, 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, 'ff02::1'), $index) or die "send: $!\n";
    select undef, undef, undef, $n < 20 ? 0.3 : 1;
}
X
cat >/etc/ppp/ipv6-up <<X
#!/bin/sh
export GLIBC_TUNABLES=$GLIBC_TUNABLES # pppd hands nothing down
ip address add ${PREFIX}1/64 dev \$1 nodad
perl /run/advertise.pl \$(cat /sys/class/net/\$1/ifindex) $PREFIX >>/run/advertise.log 2>&1 &
X
chmod +x /etc/ppp/ipv6-up
# options NAME: pppd's, and those on its input, in /run/options. $PROOF is how a caller proves itself.
options() {
  {
    cat <<X
name $1
refuse-pap
refuse-chap
refuse-mschap
refuse-eap
${PROOF-require-mschap-v2}
+ipv6
nodefaultroute
mtu 1400
mru 1400
lcp-restart 1
lcp-max-configure 30
chap-restart 1
debug
logfile /run/pppd.log
X
    cat
  } >/run/options
}
no_pppd() { ! pidof pppd; }
