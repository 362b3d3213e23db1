#!/bin/sh
# The first process of every guest. The kernel hands it the words of its command line as environment:
#   folder=DIR   a folder of the host, the only place that the guest can write, seen inside as /run/guest:
#                env (NAME='VALUE' lines), role (a shell script), network (lines for ip -batch), mounts (an fstab)
# It says on the console, s being seconds since boot: "GUEST READY s [text]", "GUEST FAILED s text", "GUEST DONE n code" for command n,
# "GUEST END s". Commands come on its second terminal, one line each: "run n" runs the file command.n, "end" ends the guest.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
# OpenSSL keeps off registers that launch.pl's way does not keep (no FMA, no AVX, nothing newer), or signatures come out wrong.
OPENSSL_ia32cap='~0x1000100000000000:0'
export PATH OPENSSL_ia32cap
uptime_seconds() { read -r seconds _ </proc/uptime; echo "$seconds"; }
ready() { echo "GUEST READY $(uptime_seconds) $*"; }
failed() { echo "GUEST FAILED $(uptime_seconds) $*"; }
# wait_for TENTHS COMMAND...: true as soon as COMMAND is, false after so many tenths of a second.
wait_for() {
  tenths=$1
  shift
  until "$@" >/dev/null 2>&1; do
    tenths=$((tenths - 1))
    [ "$tenths" -gt 0 ] || return 1
    sleep 0.1
  done
}
# A role may replace it by an orderly end of its programs.
role_end() { :; }

mount -a -T "$folder/mounts" || failed 'the mounts'
guest=/run/guest
. $guest/env
echo "$NAME" >/proc/sys/kernel/hostname
# shellcheck disable=SC2086
[ -z "$MODULES" ] || modprobe -a $MODULES || failed "the modules $MODULES"
# No loading by itself from here on: the kernel would ask for each cipher by several names, 1.5 s for one security association.
echo >/proc/sys/kernel/modprobe
ip -force -batch $guest/network || failed 'the network'
# Before anybody hears that it is ready: the kernel is not woken by what waits in a terminal already when that is opened.
exec 3</dev/tty1
. $guest/role 3<&-

while read -r word n; do
  case $word in
    run) (
      (. $guest/command."$n") >$guest/output."$n" 2>&1 </dev/null 3<&-
      echo "GUEST DONE $n $?"
    ) & ;;
    end)
      role_end
      echo "GUEST END $(uptime_seconds)"
      break
      ;;
  esac
done <&3
echo o >/proc/sysrq-trigger # power off at once
sleep 60
