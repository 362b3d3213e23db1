# xl2tpd and pppd in a guest (see guests/init.sh): `call` makes a call to $PEER, `hang_up` ends it.
mkdir -p /run/xl2tpd
cat >/run/xl2tpd.conf <<X
[global]
port = 1701
debug tunnel = yes
debug avp = yes
[lac ours]
lns = $PEER
autodial = yes
pppoptfile = /run/options
length bit = yes
ppp debug = yes
X

no_xl2tpd() { ! pidof xl2tpd; }
is_decided() { is_up 0 || has_ended "$daemon" || grep -q 'pppd exited\|Maximum retries\|Connection closed\|No such\|Invalid challenge' /run/xl2tpd.log; }
# call PASSWORD OPTION...: options of pppd's
call() {
  secret=$1
  shift
  wait_for 50 is_free 0 || { echo 'ppp0 is there'; return 1; }
  rm -f /run/pppd.log
  {
    printf 'user alice\npassword "%s"\nnoauth\nnoipdefault\nrefuse-eap\nnoccp\n+ipv6\nnodefaultroute\n' "$secret"
    printf 'mtu 1400\nmru 1400\nlcp-restart 1\nlcp-max-configure 30\ndebug\nlogfile /run/pppd.log\n'
    printf '%s\n' "$@"
  } >/run/options
  # At once, not by the process that is still to come: the end of the call before stands in it.
  : >/run/xl2tpd.log
  xl2tpd -D -c /run/xl2tpd.conf -C /run/xl2tpd/ctl -p /run/xl2tpd.pid >/run/xl2tpd.log 2>&1 &
  daemon=$!
  wait_for 600 is_decided
  is_up 0 && return 0
  tail -n 25 /run/xl2tpd.log /run/pppd.log
  quit >/dev/null
  return 1
}
no_pppd() { ! pidof pppd; }
quit() {
  no_xl2tpd || kill $(pidof xl2tpd)
  wait_for 100 no_xl2tpd && wait_for 50 no_pppd
}
# pppd takes leave of its peer, then xl2tpd of its own.
hang_up() {
  no_pppd || kill $(pidof pppd)
  wait_for 100 no_pppd && quit
}
is_over() { no_pppd || grep -q 'pppd exited' /run/xl2tpd.log; }
