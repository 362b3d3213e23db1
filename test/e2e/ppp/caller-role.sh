# The devices of a caller's pppd. No script of pppd's tells: they get no environment, which programs need in some guests (launch.pl).
# is_up UNIT: both IP versions have addresses
is_up() {
  case $(ip -o address show dev "ppp$1" scope global) in
    *' inet '*' inet6 '*) ;;
    *) false ;;
  esac
}
# is_free UNIT: no device has this name, not even one whose pppd is about to end
is_free() { ! test -e "/sys/class/net/ppp$1"; }
# has_ended PID: what has stays in the table until its parent asks. By its state: who is just becoming another program has no command line
# for a moment either.
has_ended() { ! { read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null || [ "$state" = Z ]; }
