# pptp-linux and pppd in a guest (see guests/init.sh): `call` makes a call, `hang_up` ends it.
printf '#!/bin/sh\necho 4 >>/run/up.$1\n' >/etc/ppp/ip-up
printf '#!/bin/sh\necho 6 >>/run/up.$1\n' >/etc/ppp/ipv6-up
printf '#!/bin/sh\nrm -f /run/up.$1\n' >/etc/ppp/ip-down
chmod +x /etc/ppp/ip-up /etc/ppp/ipv6-up /etc/ppp/ip-down

# start UNIT LOCAL PASSWORD OPTION...: pppd of the device pppUNIT, in the background
start() {
  unit=$1 from=$2 secret=$3
  shift 3
  rm -f "/run/up.ppp$unit" "/run/pppd.$unit"
  pppd unit "$unit" pty "pptp $PEER --nolaunchpppd --localbind $from" user alice password "$secret" \
    noauth noipdefault nodefaultroute nodetach refuse-eap +ipv6 lcp-restart 1 debug logfile "/run/pppd.$unit" "$@" \
    >/run/pptp.$unit 2>&1 &
  echo $! >"/run/pid.$unit"
}
# is_up UNIT: both IP versions have addresses
is_up() {
  grep -qs 4 "/run/up.ppp$1" && grep -qs 6 "/run/up.ppp$1" && ip -6 address show dev "ppp$1" scope global | grep -q inet6
}
# A process that has ended stays in the table until its parent asks, without a command line.
is_over() { ! grep -qsa pppd "/proc/$(cat "/run/pid.$1")/cmdline"; }
is_decided() { is_up "$1" || is_over "$1"; }
# tells UNIT: what its pppd said, when it is not up
tells() {
  wait_for 300 is_decided "$1"
  is_up "$1" && return 0
  tail -n 25 "/run/pppd.$1" "/run/pptp.$1"
  return 1
}
# call UNIT LOCAL PASSWORD OPTION...
call() {
  start "$@"
  tells "$1"
}
# hang_up UNIT
hang_up() {
  kill "$(cat "/run/pid.$1")" && wait_for 100 is_over "$1"
}
