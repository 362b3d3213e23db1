# charon in a guest (see guests/init.sh). Its configuration lies in the guest's folder; each connection has a child of its own name.
export STRONGSWAN_CONF=/run/guest/strongswan.conf SWANCTL_DIR=/run/guest/swanctl
mkdir -p $SWANCTL_DIR
cat >$STRONGSWAN_CONF <<X
charon {
  load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints revocation kernel-netlink socket-default vici
  install_routes = no
  retransmit_timeout = 1
  # A test that fails shall not wait for it.
  retransmit_tries = 2
  half_open_timeout = 20
  filelog {
    guest {
      path = /run/guest/charon.log
      time_format = %T
      time_add_ms = yes
      flush_line = yes
      default = 1
      ike = 2
      cfg = 2
    }
  }
}
swanctl {
  load = openssl pem pkcs1 pkcs8 x509 pubkey
}
X

# Outside of an association this traffic is dropped, both ways, until `allow`: Linux would send it in the clear.
rule() {
  for direction in in out; do
    for end in sport dport; do
      ip xfrm policy "$1" dir $direction proto udp $end 1701 $2 || return 1
    done
  done
}
block() { rule add 'action block priority 4000000'; }
allow() { rule delete; }
block || failed 'the policy'

# patience TRIES SECONDS: how often charon sends a message again, and how long it waits for a peer to prove itself, in what begins from now on
patience() {
  sed -i "s/retransmit_tries = .*/retransmit_tries = $1/; s/half_open_timeout = .*/half_open_timeout = $2/" $STRONGSWAN_CONF
  charon_is_gone >/dev/null || swanctl --reload-settings >/dev/null
}
charon_is_up() { test -S /run/charon.vici; }
charon_is_gone() { ! pidof charon; }
start_charon() {
  /usr/lib/ipsec/charon >>/run/guest/charon.out 2>&1 &
  wait_for 100 charon_is_up || return 1
  # Its socket is there a moment before it listens.
  wait_for 10 load || load
}
load() { swanctl --load-all --clear >/run/guest/load.log 2>&1 || { cat /run/guest/load.log; return 1; }; }
# stop_charon SIGNAL
stop_charon() {
  kill -"$1" $(pidof charon)
  wait_for 100 charon_is_gone || return 1
  rm -f /run/charon.vici /run/charon.pid
}
ids() { swanctl --list-sas | sed -n 's/^[^ ].*: #\([0-9]*\), .*/\1/p'; }
terminate_all() {
  for id in $(ids); do swanctl --terminate --ike-id "$id" --force --timeout 1; done
  [ -z "$(ids)" ]
}
# forget: no association is left, of whatever name, nor a half-open one of a peer with another key, which has none
forget() {
  if charon_is_gone >/dev/null; then
    rm -f /run/charon.vici /run/charon.pid
    ip xfrm state flush && ip xfrm policy flush && block
  else
    wait_for 50 terminate_all
  fi
}
# initiate NAME...: all at once; fails when one does, and says what each said
initiate() {
  for name; do
    { swanctl --initiate --child "$name" --timeout 60 >"/run/initiate.$name" 2>&1 || touch "/run/failed.$name"; } &
  done
  wait
  worst=0
  for name; do
    [ ! -e "/run/failed.$name" ] || { worst=1; echo "$name:"; tail -n 4 "/run/initiate.$name"; }
    rm -f "/run/failed.$name" "/run/initiate.$name"
  done
  return $worst
}
