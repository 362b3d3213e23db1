# Answers what is sent to port 1701, from the address that was asked.
cat >/run/echo.pl <<'X'
use Socket qw(:all);
my @ends = map {
    my $family = /:/ ? AF_INET6 : AF_INET;
    my $host = inet_pton($family, $_);
    socket(my $s, $family, SOCK_DGRAM, 0) or die "socket: $!\n";
    bind $s, $family == AF_INET ? pack_sockaddr_in(1701, $host) : pack_sockaddr_in6(1701, $host) or die "bind: $!\n";
    $s
} @ARGV;
for (;;) {
    my $read = '';
    vec($read, fileno $_, 1) = 1 for @ends;
    select $read, undef, undef, undef;
    for (@ends) {
        next unless vec $read, fileno $_, 1;
        my $from = recv $_, my $bytes, 65535, 0;
        send $_, $bytes, 0, $from if defined $from;
    }
}
X
perl /run/echo.pl $ADDRESSES >/run/guest/echo.log 2>&1 &

