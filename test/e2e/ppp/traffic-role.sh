# For every role: links, TCP between a guest and test/e2e/traffic.ts, and the end of what a test leaves.
# has_link_to ADDRESS: it is a peer's, not somewhere behind the default route
has_link_to() { ip route get "$1" | grep -q 'dev ppp'; }
# get ADDRESS PORT BYTES, put ADDRESS PORT BYTES: print two hashes at most, the sender's and the receiver's. Where packets are lost, four
# SYNs in a row may be: in ten seconds there are no more.
connection='use IO::Socket::IP; my ($address, $port, $bytes) = @ARGV;
  my $c = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Type => SOCK_STREAM, Timeout => 60) or die "$address: $@\n";'
get() {
  perl -e "$connection"' print $c "get $bytes"; $c->flush; while ($bytes > 0 && sysread $c, $_, 65536) { print; $bytes -= length }' "$@" |
    sha256sum
}
# end_all NAME...: whatever runs by these names ends, by force where asking does not do.
none_of() { ! pidof "$@"; }
end_all() {
  none_of "$@" >/dev/null && return 0
  kill $(pidof "$@") 2>/dev/null
  wait_for 50 none_of "$@" && return 0
  kill -KILL $(pidof "$@") 2>/dev/null
  wait_for 50 none_of "$@"
}
# A guest's memory holds no more than this of what is sent: it is sent again and again.
repeat() { while cat /run/sent 2>/dev/null; do :; done | head -c "$1"; }
put() {
  head -c 10000000 /dev/urandom >/run/sent
  repeat "$3" | sha256sum
  repeat "$3" | perl -e "$connection"' print $c "put $bytes"; $c->flush; sysread $c, $_, 3; while (sysread STDIN, $_, 65536) { print $c $_ }
    $c->flush; sysread $c, $_, 4096; print "$_\n"' "$@"
}
# back_and_forth PORT BYTES ADDRESS...: each address, all at once, sends so many bytes and gets them back; then a line for each tells it
# and what it says of them.
back_and_forth() {
  perl -e 'use Socket; my ($port, $bytes, @addresses) = @ARGV; my $failed = 0;
    sub ask { my ($address, $what) = @_;
      socket my $s, PF_INET, SOCK_STREAM, 6 or die "socket: $!\n";
      connect $s, pack_sockaddr_in($port, inet_aton($address)) or die "$address: $!\n";
      syswrite $s, "$what $bytes";
      return $s }
    sub exchange { my ($address) = @_; my ($all, $said) = ("", "");
      $SIG{ALRM} = sub { die "$address: too slow, @{[length $all]} bytes have come\n" };
      alarm 240;
      my $from = ask($address, "get");
      while (length $all < $bytes) { sysread $from, $all, 65536, length $all or die "$address: ended after @{[length $all]} bytes: $!\n" }
      my $to = ask($address, "put");
      sysread $to, $said, 3;
      for (my $at = 0; $at < $bytes;) { $at += syswrite $to, $all, $bytes - $at, $at or die "$address: $!\n" }
      sysread $to, $said, 4096 or die "$address: nothing was said: $!\n";
      syswrite STDOUT, "$address $said\n" }
    for my $address (@addresses) { defined(my $child = fork) or die "fork: $!\n"; exchange($address), exit unless $child }
    while (wait > 0) { $failed = 1 if $? }
    exit $failed' "$@"
}
