# TCP between a guest and test/e2e/traffic.ts, for every role.
# get ADDRESS PORT BYTES, put ADDRESS PORT BYTES: print two hashes at most, the sender's and the receiver's
connection='use IO::Socket::IP; my ($address, $port, $bytes) = @ARGV;
  my $c = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Type => SOCK_STREAM, Timeout => 10) or die "$address: $@\n";'
get() {
  perl -e "$connection"' print $c "get $bytes"; $c->flush; while ($bytes > 0 && sysread $c, $_, 65536) { print; $bytes -= length }' "$@" |
    sha256sum
}
put() {
  head -c "$3" /dev/urandom >/run/sent
  sha256sum </run/sent
  perl -e "$connection"' print $c "put $bytes"; $c->flush; sysread $c, $_, 3; open F, "<", "/run/sent"; while (sysread F, $_, 65536) { print $c $_ }
    $c->flush; sysread $c, $_, 4096; print "$_\n"' "$@"
}
