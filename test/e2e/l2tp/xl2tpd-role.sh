# For either role of xl2tpd: who carries its data, the secret of its tunnels, and the end of what a test leaves.
# by_kernel yes|no: who carries data, the kernel or xl2tpd itself
by_kernel() {
  # The kernel may be about to let go of a call's socket.
  if [ "$1" = yes ]; then modprobe l2tp_ppp; else wait_for 50 rmmod l2tp_ppp; fi
}
# tunnel_secret [SECRET]: both ends ask for it
tunnel_secret() {
  sed -i '/^challenge = \|^auth file = /d' /run/xl2tpd.conf
  [ -n "$1" ] || return 0
  printf '* * %s\n' "$1" >/run/l2tp-secrets
  sed -i 's/^.global.$/&\nauth file = \/run\/l2tp-secrets/; s/^.l[an][cs] .*/&\nchallenge = yes/' /run/xl2tpd.conf
}
# quiet: nothing is left of a test, whatever became of it
quiet() {
  end_all pppd xl2tpd ping perl || return 1
  [ -e /sys/module/l2tp_ppp ] || by_kernel yes || return 1
  tunnel_secret && patience 2 20 && forget
}
