# pptpd and pppd in a guest (see guests/init.sh): `serve` starts it with options of pppd's, lines on its input. Callers get addresses of
# $POOL, and it is $LOCAL to them, of which there may be one for each.
is_listening() { grep -q ':06BB 00000000:0000 0A' /proc/net/tcp; }
is_deaf() { ! is_listening; }
serve() {
  options pptpd
  rm -f /run/pppd.log
  printf 'option /run/options\nlocalip %s\nremoteip %s\n' "$LOCAL" "$POOL" >/run/pptpd.conf
  pptpd -f -c /run/pptpd.conf -p /run/pptpd.pid >/run/pptpd.log 2>&1 &
  wait_for 50 is_listening
}
# stop: each pppd takes leave of its peer, then pptpd ends with its processes of one connection each
stop() {
  no_pppd || kill $(pidof pppd)
  wait_for 50 no_pppd || return 1
  kill $(pidof pptpd)
  wait_for 50 is_deaf
}
# gre_counts: IP packets that came, and copies of them that pptpd's sockets, one a call, had no room for
gre_counts() {
  awk 'FILENAME ~ /snmp/ && /^Ip: [0-9]/ { came = $4 } FILENAME ~ /raw/ { dropped += $NF } END { print came, dropped + 0 }' \
    /proc/net/snmp /proc/net/raw
}
# quiet: nothing is left of a test, whatever became of it
quiet() { end_all pppd pptpd pptpctrl ping perl; }
