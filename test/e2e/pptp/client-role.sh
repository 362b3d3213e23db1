# pptp-linux and pppd in a guest (see guests/init.sh): `call` makes a call, `hang_up` ends it.
# start UNIT LOCAL PASSWORD OPTION...: pppd of the device pppUNIT, in the background
start() {
  unit=$1 from=$2 secret=$3
  shift 3
  wait_for 50 is_free "$unit" || { echo "ppp$unit is there"; return 1; }
  rm -f "/run/pppd.$unit"
  pppd unit "$unit" pty "pptp $PEER --nolaunchpppd --localbind $from" user alice password "$secret" \
    noauth noipdefault nodefaultroute nodetach refuse-eap +ipv6 lcp-restart 1 lcp-max-configure 120 debug logfile "/run/pppd.$unit" "$@" \
    >/run/pptp.$unit 2>&1 &
  echo $! >"/run/pid.$unit"
}
is_over() { has_ended "$(cat "/run/pid.$1")"; }
is_decided() { is_up "$1" || is_over "$1"; }
# tells UNIT: what its pppd said, when it is not up
tells() {
  wait_for 1200 is_decided "$1"
  is_up "$1" && return 0
  tail -n 25 "/run/pppd.$1" "/run/pptp.$1"
  return 1
}
# call UNIT LOCAL PASSWORD OPTION...
call() {
  start "$@"
  tells "$1"
}
# ends UNIT: waits for the end of its pppd, and tells what that said where it does not come
ends() {
  wait_for 300 is_over "$1" && return 0
  tail -n 25 "/run/pppd.$1" "/run/pptp.$1"
  return 1
}
# hang_up UNIT: unless its peer did before
hang_up() {
  kill "$(cat "/run/pid.$1")" 2>/dev/null
  ends "$1"
}
# quiet: nothing is left of a test, whatever became of it
quiet() { end_all pppd pptp ping perl; }
