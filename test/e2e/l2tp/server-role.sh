# xl2tpd and pppd in a guest (see guests/init.sh): `serve` starts it with options of pppd's, lines on its input.
mkdir -p /run/xl2tpd
cat >/run/xl2tpd.conf <<X
[global]
port = 1701
debug tunnel = yes
debug avp = yes
[lns default]
ip range = $POOL
local ip = $LOCAL
require authentication = yes
name = xl2tpd
pppoptfile = /run/options
length bit = yes
ppp debug = yes
X

is_listening() { grep -q ':06A5 ' /proc/net/udp; }
is_deaf() { ! is_listening; }
serve() {
  options xl2tpd
  rm -f /run/pppd.log
  xl2tpd -D -c /run/xl2tpd.conf -C /run/xl2tpd/ctl -p /run/xl2tpd.pid >/run/xl2tpd.log 2>&1 &
  wait_for 50 is_listening
}
# stop: each pppd takes leave of its peer, then xl2tpd
stop() {
  no_pppd || kill $(pidof pppd)
  wait_for 50 no_pppd || return 1
  kill $(pidof xl2tpd)
  wait_for 100 is_deaf
}
